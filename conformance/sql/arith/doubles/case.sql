-- DOUBLE arithmetic: no error for overflow or zero, remainders with a sign, FLOAT beside DOUBLE.
CREATE TABLE t (
  id INT, d DOUBLE, f FLOAT, i INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DOUBLE, c2 DOUBLE, c3 DOUBLE, c4 FLOAT, c5 DOUBLE, c6 DOUBLE, c7 DOUBLE, c8 DOUBLE, c9 FLOAT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  d * 10,
  d + 0.2,
  d / i,
  f * f,
  d + f,
  f + 0.1,
  i * 0.1,
  d * d,
  f + i
FROM t;
