-- A window aggregate of a window aggregate, over window_time: hourly counts to the busiest hour of two.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), most BIGINT, hours BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TEMPORARY VIEW hourly AS SELECT window_time AS rowtime, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time, k;
INSERT INTO answers SELECT window_end, MAX(n), COUNT(*) FROM TABLE(TUMBLE(TABLE hourly, DESCRIPTOR(rowtime), INTERVAL '2' HOUR)) GROUP BY window_start, window_end;
