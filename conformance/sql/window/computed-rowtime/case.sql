-- The event time is a computed column from milliseconds; a CASE chooses it.
CREATE TABLE t (
  ms BIGINT, alt BIGINT, k STRING, ts AS CASE WHEN ms > 0 THEN TO_TIMESTAMP_LTZ(ms, 3) ELSE TO_TIMESTAMP_LTZ(alt, 3) END, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP_LTZ(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
