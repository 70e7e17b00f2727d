-- DISTINCT over every type: two timestamps, decimals or texts are the same value when they are equal; HAVING and arithmetic may use it.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), d1 BIGINT, d2 DECIMAL(38, 1), d3 DOUBLE, d4 BIGINT, d5 BIGINT, d6 DECIMAL(38, 6), d7 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, COUNT(DISTINCT CAST(ts AS DATE)), SUM(DISTINCT CAST(v AS DECIMAL(5, 1)) / 2), AVG(DISTINCT CAST(v / 3 AS DOUBLE)), COUNT(DISTINCT v > 3) + COUNT(DISTINCT k), COUNT(DISTINCT ts), AVG(DISTINCT CAST(v / 2 AS DECIMAL(4, 2))), COUNT(DISTINCT CONCAT(k, k, 'a text that is longer than fifteen bytes')) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' HOUR)) GROUP BY window_start, window_end HAVING COUNT(DISTINCT ts) > 1;
