-- TIMESTAMPDIFF counts whole units cut toward zero, in both directions.
CREATE TABLE t (
  id INT, a TIMESTAMP(3), b TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 BIGINT, c4 BIGINT, c5 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TIMESTAMPDIFF(SECOND, a, b),
  TIMESTAMPDIFF(MINUTE, a, b),
  TIMESTAMPDIFF(HOUR, a, b),
  TIMESTAMPDIFF(DAY, a, b),
  TIMESTAMPDIFF(WEEK, a, b)
FROM t;
