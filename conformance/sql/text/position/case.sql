-- POSITION, LOCATE and INSTR count from 1; 0 where nothing is found; an empty text is found at 1.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 INT, c2 INT, c3 INT, c4 INT, c5 INT, c6 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  POSITION('bc' IN s),
  LOCATE('bc', s),
  LOCATE('bc', s, 3),
  INSTR(s, 'c'),
  POSITION('' IN s),
  LOCATE('z', s, 10)
FROM t;
