-- Casts to FLOAT and DOUBLE from whole numbers, decimals and text.
CREATE TABLE t (
  id INT, l BIGINT, m DECIMAL(20,5), s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 FLOAT, c2 DOUBLE, c3 FLOAT, c4 DOUBLE, c5 DOUBLE, c6 FLOAT, c7 DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(l AS FLOAT),
  CAST(l AS DOUBLE),
  CAST(m AS FLOAT),
  CAST(m AS DOUBLE),
  CAST(s AS DOUBLE),
  CAST(s AS FLOAT),
  CAST(CAST(m AS FLOAT) AS DOUBLE)
FROM t;
