-- Aggregates of all rows by key, null being a key.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  k STRING, n BIGINT, nv BIGINT, sv INT, av INT, mn INT, mx INT, sp DECIMAL(38, 2), ap DECIMAL(38, 6), sx DOUBLE, ax DOUBLE, ms STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT k, COUNT(*), COUNT(v), SUM(v), AVG(v), MIN(v), MAX(v), SUM(price), AVG(price), SUM(x), AVG(x), MAX(s) FROM orders GROUP BY k;
