-- ROUND is half up away from zero, also with negative digits; FLOOR, CEIL, TRUNCATE of every type.
CREATE TABLE t (
  id INT, d DOUBLE, m DECIMAL(10,3), i INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DOUBLE, c2 DOUBLE, c3 DOUBLE, c4 DECIMAL(20,3), c5 DECIMAL(20,3), c6 INT, c7 DOUBLE, c8 DOUBLE, c9 DECIMAL(20,0), c10 DECIMAL(20,0), c11 INT, c12 DOUBLE, c13 DECIMAL(20,3), c14 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  ROUND(d),
  ROUND(d, 2),
  ROUND(d, -1),
  ROUND(m, 2),
  ROUND(m, 0),
  ROUND(i, -1),
  FLOOR(d),
  CEIL(d),
  FLOOR(m),
  CEIL(m),
  FLOOR(i),
  TRUNCATE(d, 1),
  TRUNCATE(m, 1),
  TRUNCATE(i, -1)
FROM t;
