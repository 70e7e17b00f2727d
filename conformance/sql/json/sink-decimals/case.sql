-- A DECIMAL is written as a number without its trailing zeros, whatever its scale.
CREATE TABLE t (
  id INT, a DECIMAL(10,2), b DECIMAL(38,18), c DECIMAL(20,0)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a DECIMAL(10,2), b DECIMAL(38,18), c DECIMAL(20,0)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
