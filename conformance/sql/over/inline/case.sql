-- The window stands with each function.
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id BIGINT, s INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, SUM(v) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders;
