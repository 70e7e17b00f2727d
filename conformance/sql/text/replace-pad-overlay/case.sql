-- REPLACE, LPAD and RPAD (which cut too), OVERLAY.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING, c10 STRING, c11 STRING, c12 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  REPLACE(s, 'b', 'XX'),
  REPLACE(s, 'c', ''),
  REPLACE(s, '', '-'),
  LPAD(s, 4, '*'),
  RPAD(s, 4, '*-'),
  LPAD(s, 8, '12'),
  LPAD(s, 0, '*'),
  LPAD(s, -1, '*'),
  RPAD(s, 3, ''),
  OVERLAY(s PLACING 'ZZ' FROM 2),
  OVERLAY(s PLACING 'ZZ' FROM 2 FOR 0),
  OVERLAY(s PLACING 'ZZ' FROM 2 FOR 4)
FROM t;
