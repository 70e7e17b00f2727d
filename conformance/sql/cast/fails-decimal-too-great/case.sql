-- A CAST of text to a DECIMAL that it does not fit fails the job, where a number would give NULL.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a DECIMAL(5,2)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, CAST(s AS DECIMAL(5,2)) FROM t;
