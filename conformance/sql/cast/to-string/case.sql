-- How numbers, booleans, dates and times are written by a CAST to STRING.
CREATE TABLE t (
  id INT, b BOOLEAN, i INT, d DOUBLE, f FLOAT, m DECIMAL(10,2), ts TIMESTAMP(3), dt DATE, tm TIME
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING, c10 STRING, c11 STRING, c12 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  CAST(b AS STRING),
  CAST(i AS STRING),
  CAST(d AS STRING),
  CAST(f AS STRING),
  CAST(m AS STRING),
  CAST(ts AS STRING),
  CAST(dt AS STRING),
  CAST(tm AS STRING),
  CAST(i AS VARCHAR(2)),
  CAST(b AS CHAR(6)),
  CAST(CAST(ts AS TIMESTAMP(0)) AS STRING),
  CAST(CAST(ts AS TIMESTAMP(6)) AS STRING)
FROM t;
