-- Without an aggregate a row comes once for each cumulating window that holds it.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  v INT, ws TIMESTAMP(3), we TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT v, window_start, window_end FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR));
