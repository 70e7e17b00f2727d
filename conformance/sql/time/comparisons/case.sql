-- Comparing times: with literals, DATE with TIMESTAMP, BETWEEN, text beside a TIMESTAMP.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3), d DATE, z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN, c2 BOOLEAN, c3 BOOLEAN, c4 BOOLEAN, c5 BOOLEAN, c6 BOOLEAN, c7 BOOLEAN, c8 BOOLEAN, c9 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  ts = TIMESTAMP '2016-01-06 00:00:00',
  ts > TIMESTAMP '2016-01-06 00:00:00.000',
  d = DATE '2016-01-06',
  ts BETWEEN TIMESTAMP '2016-01-06 00:00:00' AND TIMESTAMP '2016-01-06 00:00:00',
  ts = CAST(d AS TIMESTAMP(3)),
  ts >= '2016-01-06 00:00:00',
  d < '2016-01-06',
  z = CAST(ts AS TIMESTAMP_LTZ(3)),
  (ts, ts) OVERLAPS (ts, INTERVAL '1' HOUR)
FROM t;
