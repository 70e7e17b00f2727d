-- The older form of a hopping window over processing time: what is open at the end gives nothing.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (k STRING, n BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, COUNT(*), HOP_START(pt, INTERVAL '30' DAY, INTERVAL '90' DAY), HOP_END(pt, INTERVAL '30' DAY, INTERVAL '90' DAY) FROM t GROUP BY k, HOP(pt, INTERVAL '30' DAY, INTERVAL '90' DAY);
