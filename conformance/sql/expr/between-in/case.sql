-- BETWEEN includes both ends and is false for swapped bounds; IN and NOT IN with a NULL in the list.
CREATE TABLE t (
  id INT, a INT, d DOUBLE, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN, c2 BOOLEAN, c3 BOOLEAN, c4 BOOLEAN, c5 BOOLEAN, c6 BOOLEAN, c7 BOOLEAN, c8 BOOLEAN, c9 BOOLEAN, c10 BOOLEAN, c11 BOOLEAN, c12 BOOLEAN, c13 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a BETWEEN 1 AND 5,
  a BETWEEN 5 AND 1,
  a BETWEEN SYMMETRIC 5 AND 1,
  a NOT BETWEEN 2 AND 4,
  a IN (1, 3),
  a IN (1, NULL),
  a NOT IN (1, NULL),
  a NOT IN (1, 3),
  s IN ('b', ''),
  d BETWEEN 1.5 AND 2.5,
  d = 0,
  s BETWEEN 'A' AND 'b',
  a BETWEEN 1 AND NULL
FROM t;
