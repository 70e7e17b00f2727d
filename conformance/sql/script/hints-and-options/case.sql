-- A table hint overrides an option of the table.
CREATE TABLE t (
  id INT
) WITH ('connector'='filesystem','path'='input/wrong.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id FROM t /*+ OPTIONS('path'='input/t.ndjson') */;
