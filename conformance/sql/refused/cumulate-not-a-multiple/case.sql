-- The size of cumulating windows must be a multiple of their step.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '25' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
