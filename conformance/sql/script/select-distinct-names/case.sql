-- The same column twice, * with an alias, expressions without a name.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  x1 INT, x2 INT, x3 INT, x4 INT, x5 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT p.*, id, a, a + id FROM t AS p;
