-- A view over a view, a view with a list of columns, a temporary view; a view is not computed by itself.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  x INT, y INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE VIEW v1 AS SELECT id, a * 2 AS b FROM t WHERE a > 1;
CREATE TEMPORARY VIEW v2 (x, y) AS SELECT b, id FROM v1;
CREATE VIEW never AS SELECT 1 / a AS z FROM t;
INSERT INTO answers SELECT x, y FROM v2 WHERE x < 8;
