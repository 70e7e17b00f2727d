-- Comparing numbers of different types, text by code units, NULL with anything.
CREATE TABLE t (
  id INT, a INT, d DOUBLE, m DECIMAL(10,2), s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN, c2 BOOLEAN, c3 BOOLEAN, c4 BOOLEAN, c5 BOOLEAN, c6 BOOLEAN, c7 BOOLEAN, c8 BOOLEAN, c9 BOOLEAN, c10 BOOLEAN, c11 BOOLEAN, c12 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a = d,
  a = m,
  d = m,
  a < m,
  d > 0.1,
  d = 0.1,
  m = 0.1,
  s < 'b',
  s > 'Z',
  a <> 1,
  d >= m,
  CAST(a AS FLOAT) = a
FROM t;
