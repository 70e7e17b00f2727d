-- TINYINT, SMALLINT, INT and BIGINT to their bounds.
CREATE TABLE t (
  id INT, a TINYINT, b SMALLINT, c INT, d BIGINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a TINYINT, b SMALLINT, c INT, d BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
