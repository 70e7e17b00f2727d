-- SUBSTRING counts from 1; zero and negative starts; a length beyond the end; a negative length.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING, c10 STRING, c11 STRING, c12 STRING, c13 STRING, c14 STRING, c15 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  SUBSTRING(s FROM 2),
  SUBSTRING(s FROM 2 FOR 3),
  SUBSTRING(s, 0),
  SUBSTRING(s, 0, 2),
  SUBSTRING(s, -2),
  SUBSTRING(s, -2, 1),
  SUBSTRING(s, 10),
  SUBSTRING(s, 1, 0),
  SUBSTR(s, 2, 2),
  SUBSTRING(s, 1, 100),
  LEFT(s, 2),
  RIGHT(s, 2),
  LEFT(s, -1),
  LEFT(s, 0),
  SUBSTRING(s, -10, 5)
FROM t;
