-- TIMESTAMPDIFF of TIMESTAMP_LTZ and of DATE.
CREATE TABLE t (
  id INT, a TIMESTAMP_LTZ(3), b TIMESTAMP_LTZ(3), d DATE, e DATE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 BIGINT, c4 BIGINT, c5 BIGINT, c6 BIGINT, c7 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TIMESTAMPDIFF(MINUTE, a, b),
  TIMESTAMPDIFF(HOUR, a, b),
  TIMESTAMPDIFF(SECOND, a, b),
  TIMESTAMPDIFF(DAY, d, e),
  TIMESTAMPDIFF(MONTH, d, e),
  TIMESTAMPDIFF(YEAR, d, e),
  TIMESTAMPDIFF(DAY, a, b)
FROM t;
