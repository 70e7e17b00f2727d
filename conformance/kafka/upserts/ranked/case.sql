-- The greatest row of each group.
CREATE TABLE t (id BIGINT, v STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (v STRING, id BIGINT, n BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT v, id, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY v ORDER BY n DESC) AS rn FROM t) WHERE rn = 1;
