-- Rows that change within a condition, into it and out of it.
CREATE TABLE t (id BIGINT, v STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (id BIGINT, n BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT id, n FROM t WHERE MOD(n, 2) = 0;
