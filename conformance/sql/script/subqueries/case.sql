-- Subqueries in FROM, several deep, with aliases; WITH; a column of an outer name hides an inner one.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  x INT, y INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE with_ (
  x INT
) WITH ('connector'='filesystem','path'='out/with_','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT q.x, q.id FROM (SELECT id, a + 1 AS x FROM (SELECT id, a FROM t WHERE a > 1) AS p) AS q WHERE q.x < 5;
INSERT INTO with_ WITH big AS (SELECT a FROM t WHERE a > 2), bigger AS (SELECT a * 10 AS a FROM big) SELECT a FROM bigger;
