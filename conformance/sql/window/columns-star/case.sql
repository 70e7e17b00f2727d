-- SELECT * of the table function: the table's columns, then window_start, window_end, window_time.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ts TIMESTAMP(3), v INT, ws TIMESTAMP(3), we TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE VIEW hopped AS SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '1' HOUR)) WHERE v < 3;
INSERT INTO answers SELECT ts, v, window_start, window_end FROM hopped;
