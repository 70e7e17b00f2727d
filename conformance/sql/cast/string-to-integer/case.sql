-- Text to a whole number: blanks around it are taken off, a fraction is cut; TRY_CAST gives NULL where CAST would fail.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 BIGINT, c3 TINYINT, c4 DOUBLE, c5 DECIMAL(10,2)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TRY_CAST(s AS INT),
  TRY_CAST(s AS BIGINT),
  TRY_CAST(s AS TINYINT),
  TRY_CAST(s AS DOUBLE),
  TRY_CAST(s AS DECIMAL(10,2))
FROM t;
