-- TUMBLE_PROCTIME is a processing time, over which windows are made.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (n BIGINT, ws TIMESTAMP(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT SUM(n), TUMBLE_START(p, INTERVAL '90' DAY) FROM (SELECT k, COUNT(*) AS n, TUMBLE_PROCTIME(pt, INTERVAL '90' DAY) AS p FROM t GROUP BY k, TUMBLE(pt, INTERVAL '90' DAY)) GROUP BY TUMBLE(p, INTERVAL '90' DAY);
