-- SIMILAR TO is a SQL pattern: alternatives, classes and repetition over the whole text.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN, c2 BOOLEAN, c3 BOOLEAN, c4 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  s SIMILAR TO 'taxi|cab',
  s SIMILAR TO '(taxi|cab)+',
  s SIMILAR TO 'a{2,3}',
  s SIMILAR TO '[a-c]%'
FROM t;
