-- Whole numbers divide to a whole number cut toward zero; % and MOD have the sign of the dividend.
CREATE TABLE t (
  id INT, a INT, b INT, l BIGINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 INT, c3 INT, c4 BIGINT, c5 BIGINT, c6 BIGINT, c7 DOUBLE, c8 DOUBLE, c9 BIGINT, c10 INT, c11 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a / b,
  a % b,
  MOD(a, b),
  l / b,
  l % b,
  a - b * 2,
  CAST(a AS DOUBLE) / b,
  a / 2.0,
  -l,
  MOD(l, 3),
  +a
FROM t;
