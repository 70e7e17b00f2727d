-- Text to DATE: which forms are taken; TRY_CAST gives NULL for the others.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DATE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TRY_CAST(s AS DATE)
FROM t;
