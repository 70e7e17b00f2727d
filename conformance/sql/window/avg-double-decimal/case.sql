-- AVG(DOUBLE) and AVG(DECIMAL) side by side.
CREATE TABLE t (
  ts TIMESTAMP(3), d DOUBLE, m DECIMAL(6,3), WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  a DOUBLE, b DECIMAL(38,6), c STRING, s STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT AVG(d), AVG(m), CAST(AVG(m) AS STRING), CAST(SUM(m) AS STRING) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
