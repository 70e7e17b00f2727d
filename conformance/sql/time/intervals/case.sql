-- TIMESTAMP plus and minus an INTERVAL of every kind; months stay in the month; DATE and TIME with intervals.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3), d DATE, tm TIME, z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 TIMESTAMP(3), c3 TIMESTAMP(3), c4 TIMESTAMP(3), c5 TIMESTAMP(3), c6 TIMESTAMP(3), c7 TIMESTAMP(3), c8 TIMESTAMP(3), c9 DATE, c10 DATE, c11 TIME, c12 TIMESTAMP_LTZ(3), c13 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  ts + INTERVAL '1' SECOND,
  ts - INTERVAL '1.5' SECOND,
  ts + INTERVAL '90' MINUTE,
  ts + INTERVAL '1 02:03:04.005' DAY TO SECOND,
  ts + INTERVAL '1' MONTH,
  ts - INTERVAL '1' YEAR,
  ts + INTERVAL '1-2' YEAR TO MONTH,
  ts - INTERVAL -'5' HOUR,
  d + INTERVAL '1' MONTH,
  d - INTERVAL '1' DAY,
  tm + INTERVAL '45' MINUTE,
  z + INTERVAL '1' HOUR,
  ts + 2 * INTERVAL '1' DAY
FROM t;
