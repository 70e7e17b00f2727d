-- A count of all rows.
CREATE TABLE t (id BIGINT, v STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (c BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT COUNT(*) FROM t;
