-- Years from 1 to 9999.
CREATE TABLE t (
  id INT, t3 TIMESTAMP(3), z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, t3 TIMESTAMP(3), z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
