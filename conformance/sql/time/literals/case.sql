-- DATE, TIME and TIMESTAMP literals and their precision.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DATE, c2 TIME, c3 TIMESTAMP(3), c4 TIMESTAMP(6), c5 STRING, c6 STRING, c7 STRING, c8 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  DATE '2016-02-29',
  TIME '07:08:09',
  TIMESTAMP '2016-01-06 07:08:09.123',
  TIMESTAMP '2016-01-06 07:08:09.123456',
  CAST(TIMESTAMP '2016-01-06 07:08:09' AS STRING),
  CAST(TIMESTAMP '2016-01-06 07:08:09.10' AS STRING),
  CAST(INTERVAL '1 02:03:04' DAY TO SECOND AS STRING),
  CAST(INTERVAL '14' MONTH AS STRING)
FROM t;
