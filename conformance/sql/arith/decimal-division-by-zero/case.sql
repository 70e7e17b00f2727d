-- A decimal divided by zero.
CREATE TABLE t (
  id INT, a DECIMAL(5,2)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a DECIMAL(38,6)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, 1.5 / a FROM t;
