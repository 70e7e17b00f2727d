-- Angles in radians, DEGREES and RADIANS, ATAN2 by quadrant, PI.
CREATE TABLE t (
  id INT, d DOUBLE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DOUBLE, c2 DOUBLE, c3 DOUBLE, c4 DOUBLE, c5 DOUBLE, c6 DOUBLE, c7 DOUBLE, c8 DOUBLE, c9 DOUBLE, c10 DOUBLE, c11 DOUBLE, c12 DOUBLE, c13 DOUBLE, c14 DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  SIN(d),
  COS(d),
  TAN(d),
  ASIN(d),
  ACOS(d),
  ATAN(d),
  ATAN2(d, -1),
  DEGREES(d),
  RADIANS(d),
  PI() * d,
  COT(d + 1),
  SINH(d),
  COSH(d),
  TANH(d)
FROM t;
