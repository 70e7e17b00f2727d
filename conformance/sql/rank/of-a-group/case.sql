-- Top-N of aggregates that change: what falls behind comes back when others fall.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  rn BIGINT, k STRING, n BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT rn, k, n FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY n DESC, k) AS rn FROM (SELECT k, COUNT(*) AS n FROM orders GROUP BY k)) WHERE rn <= 3;
