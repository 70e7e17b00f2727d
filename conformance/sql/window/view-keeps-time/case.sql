-- A view with projection, renaming and a filter keeps the event time and its watermark.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), cell STRING, n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TEMPORARY VIEW picked AS SELECT ts AS happened, k AS cell FROM t WHERE v <> 5;
INSERT INTO answers SELECT window_end, cell, COUNT(*) FROM TABLE(TUMBLE(TABLE picked, DESCRIPTOR(happened), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, cell;
