-- INSERT INTO is positional: the names of the columns do not matter.
CREATE TABLE t (
  id INT, a INT, b INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  b INT, a INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT a AS a, b AS b FROM t;
