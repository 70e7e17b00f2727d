-- What type a sum of mixed types has shows where it is cut: INT with BIGINT, DECIMAL with INT, DECIMAL with DOUBLE.
CREATE TABLE t (
  id INT, a INT, l BIGINT, m DECIMAL(4,2), d DOUBLE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(a + l AS STRING),
  CAST(a + m AS STRING),
  CAST(m + d AS STRING),
  CAST(a / l AS STRING),
  CAST(m * a AS STRING),
  CAST(a * 1.50 AS STRING),
  CAST(m / 2 AS STRING),
  CAST(1 / 3.0 AS STRING),
  CAST(m - 0.005 AS STRING)
FROM t;
