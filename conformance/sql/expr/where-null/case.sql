-- A WHERE keeps a row only where its condition is true, neither false nor NULL.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE kept (
  id INT
) WITH ('connector'='filesystem','path'='out/kept','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE negated (
  id INT
) WITH ('connector'='filesystem','path'='out/negated','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO kept SELECT id FROM t WHERE a > 1;
INSERT INTO negated SELECT id FROM t WHERE NOT (a > 1);
