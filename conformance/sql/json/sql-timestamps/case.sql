-- The default is the SQL form: a blank for the T, and a Z for TIMESTAMP_LTZ.
CREATE TABLE t (
  id INT, t0 TIMESTAMP(0), t3 TIMESTAMP(3), t6 TIMESTAMP(6), z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json');
CREATE TABLE answers (
  id INT, t0 TIMESTAMP(0), t3 TIMESTAMP(3), t6 TIMESTAMP(6), z TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json');
INSERT INTO answers SELECT * FROM t;
