-- Casts to DECIMAL round half up; a number that does not fit is NULL, not an error.
CREATE TABLE t (
  id INT, d DOUBLE, l BIGINT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DECIMAL(5,2), c2 DECIMAL(5,2), c3 DECIMAL(5,2), c4 DECIMAL(10,0), c5 DECIMAL(3,1), c6 DECIMAL(10,4)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(d AS DECIMAL(5,2)),
  CAST(l AS DECIMAL(5,2)),
  CAST(s AS DECIMAL(5,2)),
  CAST(d AS DECIMAL),
  CAST(CAST(d AS DECIMAL(10,3)) AS DECIMAL(3,1)),
  CAST(d AS DECIMAL(10,4))
FROM t;
