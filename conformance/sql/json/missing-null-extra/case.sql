-- A missing member and a null are both NULL; members that the table does not name are passed over; the sink writes NULL as null.
CREATE TABLE t (
  id INT, a INT, s STRING, b BOOLEAN
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a INT, s STRING, b BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
