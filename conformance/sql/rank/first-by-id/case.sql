-- Deduplication by a number: the row with the least id of each key.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  k STRING, id BIGINT, s STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, id, s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY id) AS rn FROM orders) WHERE rn = 1;
