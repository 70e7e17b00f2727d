-- Without PARTITION BY there is one ranking.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  rn BIGINT, id BIGINT, price DECIMAL(10, 2)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT rn, id, price FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY price DESC, id) AS rn FROM orders) WHERE rn <= 5;
