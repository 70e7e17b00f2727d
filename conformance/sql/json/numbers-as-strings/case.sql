-- Numbers written as text are taken, surrounding blanks too; a whole column takes a number with a fraction by cutting it.
CREATE TABLE t (
  id INT, a INT, l BIGINT, d DOUBLE, m DECIMAL(10,2)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a INT, l BIGINT, d DOUBLE, m DECIMAL(10,2)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT * FROM t;
