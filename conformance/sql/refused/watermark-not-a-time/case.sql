-- A watermark for a column that is no TIMESTAMP.
CREATE TABLE t (
  id INT, WATERMARK FOR id AS id - 1
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id FROM t;
