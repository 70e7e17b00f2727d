-- With encode.decimal-as-plain-number no DECIMAL gets an exponent.
CREATE TABLE t (
  id INT, a DECIMAL(10,2), b DECIMAL(38,18)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a DECIMAL(10,2), b DECIMAL(38,18)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601','json.encode.decimal-as-plain-number'='true');
INSERT INTO answers SELECT * FROM t;
