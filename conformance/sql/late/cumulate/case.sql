-- A late row still counts in those cumulating windows that are open.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT, s INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_start, window_end, COUNT(*), SUM(v) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '2' HOUR)) GROUP BY window_start, window_end;
