-- A table without WITH.
CREATE TABLE t (id INT);
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id FROM t;
