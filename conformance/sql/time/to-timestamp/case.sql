-- TO_TIMESTAMP and TO_DATE: what is no time is NULL, not an error; a T in place of the blank is not taken; short parts are.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 DATE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TO_TIMESTAMP(s),
  TO_DATE(s)
FROM t;
