-- Cumulating windows by key with named arguments: a key without a row in a step appears again in every later window.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3), k STRING, n BIGINT, s INT, mx INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_start, window_end, window_time, k, COUNT(*), SUM(v), MAX(v) FROM TABLE(CUMULATE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '20' MINUTE, SIZE => INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time, k;
