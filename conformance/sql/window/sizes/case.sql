-- Sizes that do not divide a day: windows are counted from 1970-01-01T00:00, 7 days start on Thursdays.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE weeks (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/weeks','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE odd (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/odd','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE fine (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/fine','format'='json','json.timestamp-format.standard'='ISO-8601');
EXECUTE STATEMENT SET BEGIN
INSERT INTO weeks SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '7' DAY)) GROUP BY window_start, window_end;
INSERT INTO odd SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '7' MINUTE)) GROUP BY window_start, window_end;
INSERT INTO fine SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.5' SECOND)) GROUP BY window_start, window_end;
END;
