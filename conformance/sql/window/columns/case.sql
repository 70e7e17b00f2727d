-- Without a GROUP BY the table function adds window_start, window_end and window_time to each row; window_time is a millisecond before the end.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ts TIMESTAMP(3), v INT, ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT CAST(ts AS TIMESTAMP(3)), v, window_start, window_end, CAST(window_time AS TIMESTAMP(3)) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR));
