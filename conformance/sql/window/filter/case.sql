-- FILTER: a condition that is NULL counts as false; COUNT is then 0, SUM and AVG are NULL.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), n BIGINT, c BIGINT, s INT, a INT, mx INT, d BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(*), COUNT(*) FILTER (WHERE v > 3), SUM(v) FILTER (WHERE v > 3), AVG(v) FILTER (WHERE k = 'a'), MAX(v) FILTER (WHERE k IS NULL), COUNT(DISTINCT k) FILTER (WHERE v > 1) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
