-- TRIM takes blanks alone unless told, not tabs; LEADING, TRAILING, BOTH.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  '[' || TRIM(s) || ']',
  '[' || LTRIM(s) || ']',
  '[' || RTRIM(s) || ']',
  TRIM(LEADING 'x' FROM s),
  TRIM(TRAILING 'x' FROM s),
  TRIM(BOTH 'x' FROM s)
FROM t;
