-- A negative length of SUBSTRING.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, SUBSTRING(s, 2, -1) FROM t;
