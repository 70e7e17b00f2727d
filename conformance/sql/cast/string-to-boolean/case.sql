-- Text to BOOLEAN: true, t, yes, y, 1 and their opposites in any case; else TRY_CAST gives NULL.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TRY_CAST(s AS BOOLEAN)
FROM t;
