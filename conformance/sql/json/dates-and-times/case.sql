-- DATE and TIME are read and written as text; TIME keeps no fraction.
CREATE TABLE t (
  id INT, d DATE, tm TIME
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, d DATE, tm TIME
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
