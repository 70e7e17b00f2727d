-- A join of groups that change.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE ships (
  sid BIGINT, st TIMESTAMP(3), order_id BIGINT, k STRING, w INT, WATERMARK FOR st AS st - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/ships.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  k STRING, n BIGINT, m BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT a.k, a.n, b.m FROM (SELECT k, COUNT(*) AS n FROM orders GROUP BY k) a LEFT JOIN (SELECT k, COUNT(*) AS m FROM ships GROUP BY k) b ON a.k = b.k;
