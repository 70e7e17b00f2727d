-- JSON_VALUE and JSON_EXISTS over text: paths, numbers as text, what is missing or broken is NULL.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 INT, c6 BOOLEAN, c7 STRING, c8 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  JSON_VALUE(s, '$.a.b[1]'),
  JSON_VALUE(s, '$.a'),
  JSON_VALUE(s, '$.t'),
  JSON_VALUE(s, '$.n'),
  JSON_VALUE(s, '$.a.b[0]' RETURNING INT),
  JSON_EXISTS(s, '$.a.b'),
  JSON_QUERY(s, '$.a'),
  JSON_VALUE(s, '$.zz' DEFAULT 'd' ON EMPTY)
FROM t;
