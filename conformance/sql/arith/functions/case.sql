-- ABS, SIGN, POWER, SQRT, EXP, LN, LOG10, LOG with a base, and NULLs.
CREATE TABLE t (
  id INT, d DOUBLE, i INT, m DECIMAL(10,2)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DOUBLE, c2 INT, c3 DECIMAL(10,2), c4 DOUBLE, c5 INT, c6 DECIMAL(10,2), c7 DOUBLE, c8 DOUBLE, c9 DOUBLE, c10 DOUBLE, c11 DOUBLE, c12 DOUBLE, c13 DOUBLE, c14 DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  ABS(d),
  ABS(i),
  ABS(m),
  SIGN(d),
  SIGN(i),
  SIGN(m),
  POWER(d, 2),
  POWER(i, i),
  SQRT(ABS(i)),
  EXP(d),
  LN(ABS(d) + 1),
  LOG10(ABS(d) + 1),
  LOG(2, ABS(d) + 1),
  SQRT(m * m)
FROM t;
