-- CASE without ELSE gives NULL; the simple form never matches NULL; the types of the branches meet.
CREATE TABLE t (
  id INT, a INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 DOUBLE, c4 STRING, c5 INT, c6 BIGINT, c7 STRING, c8 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CASE WHEN a = 1 THEN 'one' WHEN a = 2 THEN 'two' END,
  CASE a WHEN 1 THEN 'one' WHEN NULL THEN 'null' ELSE 'other' END,
  CASE WHEN a > 1 THEN 1 ELSE 2.5 END,
  CASE WHEN a < 10 THEN s ELSE 'much longer' END,
  CASE WHEN a IS NULL THEN -1 WHEN a > 1 THEN NULL ELSE a END,
  CASE WHEN a = 1 THEN CAST(5000000000 AS BIGINT) ELSE a END,
  IF(a = 1, 'yes', 'no'),
  CASE WHEN s = 'x' OR a > 20 THEN 1 ELSE 0 END
FROM t;
