-- A table that is only added to, with columns that stand in keys alone.
CREATE TABLE t (k_cab STRING, fare DOUBLE) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{servers}',
  'scan.startup.mode' = 'earliest-offset',
  'key.format' = 'json',
  'value.format' = 'json',
  'scan.bounded.mode' = 'latest-offset',
  'key.fields' = 'k_cab',
  'key.fields-prefix' = 'k_',
  'value.fields-include' = 'EXCEPT_KEY'
);
CREATE TABLE changes (cab STRING, fare DOUBLE) WITH ('connector' = 'print', 'print-identifier' = '{name}');
INSERT INTO changes SELECT k_cab, fare FROM t;
