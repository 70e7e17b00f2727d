-- Deduplication within a window of processing time is refused.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (k STRING, n BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, v, window_start, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY pt DESC) AS r FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '90' DAY))) WHERE r <= 1;
