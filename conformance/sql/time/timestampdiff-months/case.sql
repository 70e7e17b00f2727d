-- TIMESTAMPDIFF in months, quarters and years goes by the calendar; backwards, a part of a month is already a month.
CREATE TABLE t (
  id INT, a TIMESTAMP(3), b TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TIMESTAMPDIFF(MONTH, a, b),
  TIMESTAMPDIFF(QUARTER, a, b),
  TIMESTAMPDIFF(YEAR, a, b)
FROM t;
