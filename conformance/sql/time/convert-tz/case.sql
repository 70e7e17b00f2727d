-- CONVERT_TZ moves text from one zone to another.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CONVERT_TZ(s, 'UTC', 'America/New_York'),
  CONVERT_TZ(s, 'America/New_York', 'UTC'),
  CONVERT_TZ(s, 'UTC', 'GMT+05:30')
FROM t;
