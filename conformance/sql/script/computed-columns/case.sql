-- Computed columns: from physical ones, in any place; the sink takes none of them as input.
CREATE TABLE t (
  a INT, c AS a + b, b INT, s AS UPPER(n), n STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  a INT, c INT, b INT, s STRING, n STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
