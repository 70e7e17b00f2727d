-- No input row, no window: even a global window aggregate gives nothing.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE filtered (
  we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/filtered','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
INSERT INTO filtered SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE v > 100 GROUP BY window_start, window_end;
