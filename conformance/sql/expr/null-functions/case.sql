-- NULLIF, COALESCE, IFNULL, GREATEST and LEAST with NULLs.
CREATE TABLE t (
  id INT, a INT, b INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 INT, c3 INT, c4 INT, c5 STRING, c6 INT, c7 INT, c8 INT, c9 BOOLEAN, c10 BOOLEAN, c11 STRING, c12 DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  NULLIF(a, b),
  NULLIF(a, 3),
  COALESCE(a, b, -1),
  COALESCE(a, b),
  COALESCE(s, 'none'),
  IFNULL(a, 0),
  GREATEST(a, b),
  LEAST(a, b, 2),
  a IS NULL,
  a IS NOT NULL,
  NULLIF(s, ''),
  COALESCE(a, 2.5)
FROM t;
