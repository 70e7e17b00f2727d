-- EXTRACT from DATE and TIME.
CREATE TABLE t (
  id INT, d DATE, tm TIME
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 BIGINT, c4 BIGINT, c5 BIGINT, c6 BIGINT, c7 BIGINT, c8 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  EXTRACT(YEAR FROM d),
  EXTRACT(DOY FROM d),
  EXTRACT(WEEK FROM d),
  EXTRACT(HOUR FROM tm),
  EXTRACT(MINUTE FROM tm),
  EXTRACT(SECOND FROM tm),
  MONTH(d),
  HOUR(tm)
FROM t;
