-- FLOOR of a TIMESTAMP_LTZ goes by the session's zone.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE t (
  id INT, z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP_LTZ(3), c2 TIMESTAMP_LTZ(3), c3 TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  FLOOR(z TO HOUR),
  FLOOR(z TO DAY),
  FLOOR(z TO MONTH)
FROM t;
