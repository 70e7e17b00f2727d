-- Windows on a TIMESTAMP_LTZ time: window_start and window_end are TIMESTAMP(3) in the session's zone, and go into a TIMESTAMP_LTZ sink as the same instant.
CREATE TABLE t (
  ts TIMESTAMP_LTZ(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP_LTZ(3), n BIGINT, wt TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_start, window_end, COUNT(*), MAX(window_time) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
