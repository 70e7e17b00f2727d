-- TUMBLE_ROWTIME of a window over processing time is refused.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (k STRING, n BIGINT, p TIMESTAMP_LTZ(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, COUNT(*), TUMBLE_ROWTIME(pt, INTERVAL '90' DAY) FROM t GROUP BY k, TUMBLE(pt, INTERVAL '90' DAY);
