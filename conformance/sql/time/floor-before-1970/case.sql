-- Before 1970 FLOOR to a day or less goes downwards.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 TIMESTAMP(3), c3 TIMESTAMP(3), c4 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  FLOOR(ts TO SECOND),
  FLOOR(ts TO MINUTE),
  FLOOR(ts TO HOUR),
  FLOOR(ts TO DAY)
FROM t;
