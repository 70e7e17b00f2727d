-- Groups of rows that change.
CREATE TABLE t (id BIGINT, v STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (v STRING, c BIGINT, s BIGINT, mx BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT v, COUNT(*), SUM(n), MAX(n) FROM t GROUP BY v;
