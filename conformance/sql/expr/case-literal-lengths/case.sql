-- Text literals of different lengths in one CASE are not padded.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CASE a WHEN 1 THEN 'a' WHEN 2 THEN 'bbb' ELSE '' END || '|',
  CHAR_LENGTH(CASE a WHEN 1 THEN 'a' WHEN 2 THEN 'bbb' ELSE 'cc' END)
FROM t;
