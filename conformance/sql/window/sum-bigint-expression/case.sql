-- SUM of a TIMESTAMPDIFF needs no cast to be a sum; the average weighted by hand.
CREATE TABLE t (
  ts TIMESTAMP(3), p TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), n BIGINT, s BIGINT, a BIGINT, x DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(*), SUM(CAST(TIMESTAMPDIFF(MINUTE, p, ts) AS BIGINT)), AVG(CAST(TIMESTAMPDIFF(MINUTE, p, ts) AS BIGINT)), SUM(CAST(TIMESTAMPDIFF(MINUTE, p, ts) AS DOUBLE)) / COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
