-- With encode.ignore-null-fields NULLs are left out of the object.
CREATE TABLE t (
  id INT, a INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a INT, s STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601','json.encode.ignore-null-fields'='true');
INSERT INTO answers SELECT * FROM t;
