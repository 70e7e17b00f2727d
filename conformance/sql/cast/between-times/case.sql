-- TIMESTAMP to DATE and TIME, DATE to TIMESTAMP, precision cut and not rounded, TIMESTAMP to TIMESTAMP_LTZ in UTC.
CREATE TABLE t (
  id INT, ts TIMESTAMP(6), z TIMESTAMP_LTZ(3), d DATE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DATE, c2 TIME, c3 TIMESTAMP(0), c4 TIMESTAMP(3), c5 TIMESTAMP_LTZ(3), c6 TIMESTAMP(3), c7 DATE, c8 STRING, c9 TIMESTAMP(3), c10 TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(ts AS DATE),
  CAST(ts AS TIME),
  CAST(ts AS TIMESTAMP(0)),
  CAST(ts AS TIMESTAMP(3)),
  CAST(ts AS TIMESTAMP_LTZ(3)),
  CAST(z AS TIMESTAMP(3)),
  CAST(z AS DATE),
  CAST(z AS STRING),
  CAST(d AS TIMESTAMP(3)),
  CAST(d AS TIMESTAMP_LTZ(3))
FROM t;
