-- How DOUBLE and FLOAT are written: no trailing zeros beyond one, exponents from 1e7 and below 1e-3, a FLOAT by its own shortest digits.
CREATE TABLE t (
  id INT, d DOUBLE, f FLOAT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, d DOUBLE, f FLOAT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
