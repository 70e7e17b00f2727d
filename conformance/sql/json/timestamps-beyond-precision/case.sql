-- A fraction longer than the column's precision is not cut by the format.
CREATE TABLE t (
  id INT, t0 TIMESTAMP(0), t3 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, t0 TIMESTAMP(0), t3 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
