-- A table with a watermark, whose rows go away without a time.
CREATE TABLE t (id BIGINT, ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (id BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT * FROM t;
