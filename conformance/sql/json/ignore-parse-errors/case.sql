-- With ignore-parse-errors a row that is no JSON is left out, and a value that does not fit its type is NULL while its row stays.
CREATE TABLE t (
  id INT, a INT, ts TIMESTAMP(3), b BOOLEAN
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601','json.ignore-parse-errors'='true');
CREATE TABLE answers (
  id INT, a INT, ts TIMESTAMP(3), b BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
