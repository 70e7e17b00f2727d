-- FLOOR and CEIL TO a unit; CEIL of a full unit stays; weeks start on Sunday.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3), d DATE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 TIMESTAMP(3), c3 TIMESTAMP(3), c4 TIMESTAMP(3), c5 TIMESTAMP(3), c6 TIMESTAMP(3), c7 TIMESTAMP(3), c8 TIMESTAMP(3), c9 TIMESTAMP(3), c10 TIMESTAMP(3), c11 TIMESTAMP(3), c12 TIMESTAMP(3), c13 TIMESTAMP(3), c14 TIMESTAMP(3), c15 DATE, c16 DATE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  FLOOR(ts TO SECOND),
  FLOOR(ts TO MINUTE),
  FLOOR(ts TO HOUR),
  FLOOR(ts TO DAY),
  FLOOR(ts TO MONTH),
  FLOOR(ts TO QUARTER),
  FLOOR(ts TO YEAR),
  FLOOR(ts TO WEEK),
  CEIL(ts TO SECOND),
  CEIL(ts TO MINUTE),
  CEIL(ts TO HOUR),
  CEIL(ts TO DAY),
  CEIL(ts TO MONTH),
  CEIL(ts TO YEAR),
  FLOOR(d TO MONTH),
  CEIL(d TO YEAR)
FROM t;
