-- With errors ignored, what cannot be read is no row, and a value that does not fit is null.
CREATE TABLE t (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset',
  'key.json.ignore-parse-errors' = 'true',
  'value.json.ignore-parse-errors' = 'true'
);
CREATE TABLE changes (id BIGINT, v STRING) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT * FROM t;
