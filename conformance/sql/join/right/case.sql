-- RIGHT JOIN on one column: null equals nothing.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE ships (
  sid BIGINT, st TIMESTAMP(3), order_id BIGINT, k STRING, w INT, WATERMARK FOR st AS st - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/ships.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id BIGINT, sid BIGINT, ok STRING, sk STRING, v INT, w INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT o.id, s.sid, o.k, s.k, o.v, s.w FROM orders AS o RIGHT JOIN ships AS s ON o.id = s.order_id;
