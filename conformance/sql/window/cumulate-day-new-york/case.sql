-- In another session zone the day that windows accumulate over starts at that zone's midnight; it has 23 or 25 hours when clocks change.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE t (
  ts TIMESTAMP_LTZ(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP_LTZ(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '12' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end;
