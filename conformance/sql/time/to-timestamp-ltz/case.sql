-- TO_TIMESTAMP_LTZ of seconds (0) and milliseconds (3), before 1970 and far away.
CREATE TABLE t (
  id INT, n BIGINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP_LTZ(3), c2 TIMESTAMP_LTZ(3), c3 STRING, c4 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TO_TIMESTAMP_LTZ(n, 3),
  TO_TIMESTAMP_LTZ(n / 1000, 0),
  CAST(TO_TIMESTAMP_LTZ(n, 3) AS STRING),
  CAST(TO_TIMESTAMP_LTZ(n, 3) AS TIMESTAMP(3))
FROM t;
