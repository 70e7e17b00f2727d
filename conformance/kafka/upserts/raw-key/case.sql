-- The key is the text of a column.
CREATE TABLE t (name STRING, v INT, PRIMARY KEY (name) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'raw',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset',
  'value.fields-include' = 'EXCEPT_KEY'
);
CREATE TABLE changes (name STRING, v INT) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT * FROM t;
