-- JOIN of rows that share a window.
CREATE TABLE orders (
  id BIGINT, ts TIMESTAMP(3), k STRING, v INT, price DECIMAL(10, 2), x DOUBLE, s STRING, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/orders.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE ships (
  sid BIGINT, st TIMESTAMP(3), order_id BIGINT, k STRING, w INT, WATERMARK FOR st AS st - INTERVAL '2' SECOND
) WITH ('connector'='filesystem','path'='input/ships.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  ws TIMESTAMP(3), id BIGINT, sid BIGINT, k STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT COALESCE(l.window_start, r.window_start), l.id, r.sid, COALESCE(l.k, r.k) FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE))) l JOIN (SELECT * FROM TABLE(TUMBLE(TABLE ships, DESCRIPTOR(st), INTERVAL '10' MINUTE))) r ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end;
