-- With another session time zone TIMESTAMP and TIMESTAMP_LTZ differ by its offset, summer time minded; JSON still writes Z.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE t (
  id INT, ts TIMESTAMP(3), z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP_LTZ(3), c2 TIMESTAMP(3), c3 STRING, c4 BIGINT, c5 STRING, c6 DATE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(ts AS TIMESTAMP_LTZ(3)),
  CAST(z AS TIMESTAMP(3)),
  CAST(z AS STRING),
  EXTRACT(HOUR FROM z),
  DATE_FORMAT(z, 'yyyy-MM-dd HH:mm'),
  CAST(z AS DATE)
FROM t;
