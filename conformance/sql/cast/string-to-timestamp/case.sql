-- Text to TIMESTAMP: which forms are taken; TRY_CAST gives NULL for the others.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 TIMESTAMP(6), c3 TIMESTAMP(0)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TRY_CAST(s AS TIMESTAMP(3)),
  TRY_CAST(s AS TIMESTAMP(6)),
  TRY_CAST(s AS TIMESTAMP(0))
FROM t;
