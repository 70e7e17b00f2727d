-- The older form of a session over processing time: what is open at the end gives nothing.
CREATE TABLE t (
  k STRING, v BIGINT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (k STRING, n BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, COUNT(*), SESSION_START(pt, INTERVAL '30' DAY), SESSION_END(pt, INTERVAL '30' DAY) FROM t GROUP BY k, SESSION(pt, INTERVAL '30' DAY);
