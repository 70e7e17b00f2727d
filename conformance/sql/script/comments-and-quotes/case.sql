-- Comments of both kinds, semicolons and quotes inside text, doubled quotes, keywords as names in backticks, any case of keywords.
/* a block; comment */;
CREATE TABLE t (
  `select` INT, `from where` STRING -- a comment; here
  , `Mixed` INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  a INT, b STRING, c STRING, d STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
insert INTO answers select `select`, `from where`, 'it''s; -- no comment', '/* nor this */' from t where `Mixed` = 1 -- the end;
