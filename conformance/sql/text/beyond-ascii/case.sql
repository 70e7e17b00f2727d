-- CHAR_LENGTH and REVERSE go by code points; UPPER makes SS of one letter.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 INT, c5 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  UPPER(s),
  LOWER(s),
  REVERSE(s),
  CHAR_LENGTH(s),
  CHARACTER_LENGTH(s)
FROM t;
