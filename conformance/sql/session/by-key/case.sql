-- Sessions of each key, null being one.
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3), k STRING, n BIGINT, s INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_start, window_end, CAST(window_time AS TIMESTAMP(3)), k, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE orders PARTITION BY k, DESCRIPTOR(ts), INTERVAL '90' SECOND)) GROUP BY window_start, window_end, window_time, k;
