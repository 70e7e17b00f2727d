-- Rows that change beside the group that they are in.
CREATE TABLE t (id BIGINT, v STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (id BIGINT, c BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT a.id, b.c FROM t AS a JOIN (SELECT v, COUNT(*) AS c FROM t GROUP BY v) AS b ON a.v = b.v;
