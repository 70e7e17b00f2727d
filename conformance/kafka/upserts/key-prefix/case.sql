-- Columns of the key stand there without their prefix, in any order, and the value leaves them out.
CREATE TABLE t (k_a STRING, n INT, k_b BIGINT, twice AS n * 2, PRIMARY KEY (k_b, k_a) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset',
  'key.fields-prefix' = 'k_',
  'value.fields-include' = 'EXCEPT_KEY'
);
CREATE TABLE changes (k_a STRING, n INT, k_b BIGINT, twice INT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT * FROM t;
