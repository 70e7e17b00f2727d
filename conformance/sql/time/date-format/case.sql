-- DATE_FORMAT takes Java's patterns: YYYY is the week year, DDD the day of the year, a the half of the day, quotes keep text.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING, c10 STRING, c11 STRING, c12 STRING, c13 STRING, c14 STRING, c15 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'),
  DATE_FORMAT(ts, 'YYYY'),
  DATE_FORMAT(ts, 'DDD'),
  DATE_FORMAT(ts, 'hh a'),
  DATE_FORMAT(ts, 'yyyyMMddHH'),
  DATE_FORMAT(ts, 'yy/M/d H:m:s'),
  DATE_FORMAT(ts, 'SSS'),
  DATE_FORMAT(ts, 'EEE'),
  DATE_FORMAT(ts, 'MMM'),
  DATE_FORMAT(ts, 'EEEE MMMM'),
  DATE_FORMAT(ts, '''T''HH'),
  DATE_FORMAT(ts, 'yyyy-''W''ww'),
  DATE_FORMAT(ts, 'kk'),
  DATE_FORMAT(ts, 'u'),
  DATE_FORMAT(ts, '')
FROM t;
