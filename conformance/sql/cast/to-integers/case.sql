-- Casts to whole numbers cut toward zero; numbers too great wrap between whole types and saturate from DOUBLE.
CREATE TABLE t (
  id INT, d DOUBLE, l BIGINT, m DECIMAL(20,3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 BIGINT, c3 SMALLINT, c4 TINYINT, c5 INT, c6 SMALLINT, c7 TINYINT, c8 INT, c9 BIGINT, c10 TINYINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(d AS INT),
  CAST(d AS BIGINT),
  CAST(d AS SMALLINT),
  CAST(d AS TINYINT),
  CAST(l AS INT),
  CAST(l AS SMALLINT),
  CAST(l AS TINYINT),
  CAST(m AS INT),
  CAST(m AS BIGINT),
  CAST(m AS TINYINT)
FROM t;
