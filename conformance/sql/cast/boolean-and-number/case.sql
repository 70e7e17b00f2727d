-- BOOLEAN to numbers and back: 0 is false, all else true.
CREATE TABLE t (
  id INT, b BOOLEAN, i INT, d DOUBLE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 DOUBLE, c3 DECIMAL(3,1), c4 BOOLEAN, c5 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(b AS INT),
  CAST(b AS DOUBLE),
  CAST(b AS DECIMAL(3,1)),
  CAST(i AS BOOLEAN),
  CAST(d AS BOOLEAN)
FROM t;
