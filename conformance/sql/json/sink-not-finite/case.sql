-- Infinity and NaN come out of arithmetic and are written as text.
CREATE TABLE t (
  id INT, d DOUBLE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, p DOUBLE, n DOUBLE, q DOUBLE, r DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, d / 0, -d / 0, 0 * d / 0, SQRT(-d) FROM t;
