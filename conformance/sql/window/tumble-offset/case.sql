-- The offset moves the windows, also by a negative one.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE later (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/later','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE earlier (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/earlier','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO later SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '15' MINUTE)) GROUP BY window_start, window_end;
INSERT INTO earlier SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL -'10' MINUTE)) GROUP BY window_start, window_end;
