-- Precision and scale of decimal sums, products and quotients; a literal with a point is a DECIMAL.
CREATE TABLE t (
  id INT, a DECIMAL(10,2), b DECIMAL(5,3), l BIGINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DECIMAL(38,10), c2 DECIMAL(38,10), c3 DECIMAL(38,10), c4 DECIMAL(38,20), c5 DECIMAL(38,10), c6 DECIMAL(38,10), c7 DECIMAL(38,10), c8 DECIMAL(38,20), c9 STRING, c10 STRING, c11 STRING, c12 STRING, c13 DOUBLE, c14 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  a + b,
  a - b,
  a * b,
  a / b,
  0.908 * l,
  a * l,
  a % b,
  a / 3,
  CAST(a * b AS STRING),
  CAST(a / b AS STRING),
  CAST(0.908 * l AS STRING),
  CAST(a + b AS STRING),
  a * CAST(2 AS DOUBLE),
  CAST(l / 2.5 AS STRING)
FROM t;
