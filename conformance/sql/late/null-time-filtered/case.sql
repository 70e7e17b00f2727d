-- A row without an event time fails the job even where a WHERE would leave it out later.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TEMPORARY VIEW picked AS SELECT * FROM t WHERE ts IS NOT NULL;
INSERT INTO answers SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE picked, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
