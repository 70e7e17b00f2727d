-- A sink of VARCHAR does not cut by itself; a CAST cuts, and one to CHAR pads.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a STRING, b STRING, c VARCHAR(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, CAST(s AS VARCHAR(3)), CAST(s AS CHAR(5)), s FROM t;
