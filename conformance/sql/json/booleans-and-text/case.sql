-- Booleans from text; a STRING column takes numbers, booleans, objects and arrays as their JSON text.
CREATE TABLE t (
  id INT, b BOOLEAN, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, b BOOLEAN, s STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
