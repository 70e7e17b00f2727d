-- UPPER, LOWER, INITCAP, REVERSE, REPEAT, ASCII.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 INT, c6 STRING, c7 STRING, c8 STRING, c9 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  UPPER(s),
  LOWER(s),
  INITCAP(s),
  REVERSE(s),
  CHAR_LENGTH(s),
  s || '!',
  REPEAT(s, 2),
  REPEAT(s, 0),
  ASCII(s)
FROM t;
