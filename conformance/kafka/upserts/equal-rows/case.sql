-- A row that is equal to the one before it changes nothing; one that is not there does not go away.
CREATE TABLE t (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset'
);
CREATE TABLE changes (id BIGINT, v STRING) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT * FROM t;
