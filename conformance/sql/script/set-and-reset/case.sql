-- SET of options that change no answer, RESET, and IF NOT EXISTS that keeps the first table.
SET 'parallelism.default' = '2';
SET 'table.exec.mini-batch.enabled' = 'false';
RESET 'table.exec.mini-batch.enabled';
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE IF NOT EXISTS t (
  id STRING, zz INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
