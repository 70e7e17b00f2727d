-- Whole numbers wrap in silence.
CREATE TABLE t (
  id INT, a INT, l BIGINT, s SMALLINT, y TINYINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 INT, c3 INT, c4 BIGINT, c5 BIGINT, c6 BIGINT, c7 INT, c8 INT, c9 BIGINT, c10 SMALLINT, c11 TINYINT, c12 INT, c13 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a + 1,
  a - 1,
  a * 2,
  l + 1,
  l - 1,
  l * 2,
  -a,
  ABS(a),
  a + CAST(1 AS BIGINT),
  s + CAST(1 AS SMALLINT),
  y + CAST(1 AS TINYINT),
  s + 1,
  a / -1
FROM t;
