-- An aggregate of an aggregate takes back what it counted before.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  n BIGINT, keys BIGINT, mx STRING, mn STRING, s BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT n, COUNT(*), MAX(k), MIN(k), SUM(sv) FROM (SELECT k, s, COUNT(*) AS n, SUM(id) AS sv FROM orders GROUP BY k, s) GROUP BY n;
