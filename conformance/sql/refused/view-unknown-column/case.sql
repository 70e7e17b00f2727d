-- A view over a column that does not exist is refused where it is created.
CREATE TABLE t (
  id INT, a INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE VIEW v AS SELECT nothing FROM t;
