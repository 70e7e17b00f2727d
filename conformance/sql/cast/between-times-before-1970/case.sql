-- Before 1970 a cut goes toward 1970: the last second of 1969 becomes the first day of 1970.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 DATE, c2 TIME, c3 TIMESTAMP(0), c4 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(ts AS DATE),
  CAST(ts AS TIME),
  CAST(ts AS TIMESTAMP(0)),
  CAST(ts AS STRING)
FROM t;
