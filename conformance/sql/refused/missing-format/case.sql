-- The filesystem connector without a format.
CREATE TABLE t (id INT) WITH ('connector'='filesystem','path'='input/t.ndjson');
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id FROM t;
