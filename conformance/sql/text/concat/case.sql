-- CONCAT and || give NULL with a NULL, CONCAT_WS leaves it out.
CREATE TABLE t (
  id INT, a STRING, b STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a || b,
  CONCAT(a, b),
  CONCAT(a, '-', b),
  CONCAT_WS('-', a, b),
  CONCAT_WS('-', a, '', b),
  CONCAT_WS(a, 'p', 'q'),
  CONCAT(a)
FROM t;
