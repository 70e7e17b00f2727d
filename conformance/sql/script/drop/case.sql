-- DROP of a view and a table, IF EXISTS; the names can be used again.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE VIEW v AS SELECT a FROM t;
DROP VIEW v;
DROP VIEW IF EXISTS v;
DROP TABLE IF EXISTS nothing;
CREATE VIEW v AS SELECT id FROM t;
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM v;
