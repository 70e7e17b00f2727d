-- Two window aggregates joined on their window.
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE ships (
  sid BIGINT, st TIMESTAMP(3), order_id BIGINT, k STRING, w INT, WATERMARK FOR st AS st - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/ships.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), we TIMESTAMP(3), k STRING, n BIGINT, m BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT a.window_start, a.window_end, a.k, a.n, b.m FROM (SELECT window_start, window_end, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end, k) a JOIN (SELECT window_start, window_end, k, COUNT(*) AS m FROM TABLE(TUMBLE(TABLE ships, DESCRIPTOR(st), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end, k) b ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end;
