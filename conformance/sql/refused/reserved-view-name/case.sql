-- A reserved word as a name without backticks.
CREATE TABLE t (
  id INT, a INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE VIEW some AS SELECT id FROM t;
INSERT INTO answers SELECT id FROM some;
