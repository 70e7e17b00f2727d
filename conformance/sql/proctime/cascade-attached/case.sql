-- Behind its aggregate a window of processing time is a column like others: grouping by it gives updates.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (n BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT SUM(n), window_start, window_end FROM (SELECT k, COUNT(*) AS n, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '90' DAY)) GROUP BY k, window_start, window_end) GROUP BY window_start, window_end;
