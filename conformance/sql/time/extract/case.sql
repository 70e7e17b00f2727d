-- EXTRACT of every unit and the functions of the same name; the week is the ISO week, Sunday is day 1.
CREATE TABLE t (
  id INT, ts TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 BIGINT, c4 BIGINT, c5 BIGINT, c6 BIGINT, c7 BIGINT, c8 BIGINT, c9 BIGINT, c10 BIGINT, c11 BIGINT, c12 BIGINT, c13 BIGINT, c14 BIGINT, c15 BIGINT, c16 BIGINT, c17 BIGINT, c18 BIGINT, c19 BIGINT, c20 BIGINT, c21 BIGINT, c22 BIGINT, c23 BIGINT, c24 BIGINT, c25 BIGINT, c26 BIGINT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  EXTRACT(YEAR FROM ts),
  EXTRACT(QUARTER FROM ts),
  EXTRACT(MONTH FROM ts),
  EXTRACT(WEEK FROM ts),
  EXTRACT(DAY FROM ts),
  EXTRACT(DOY FROM ts),
  EXTRACT(DOW FROM ts),
  EXTRACT(HOUR FROM ts),
  EXTRACT(MINUTE FROM ts),
  EXTRACT(SECOND FROM ts),
  EXTRACT(ISODOW FROM ts),
  EXTRACT(ISOYEAR FROM ts),
  EXTRACT(DECADE FROM ts),
  EXTRACT(CENTURY FROM ts),
  EXTRACT(MILLISECOND FROM ts),
  EXTRACT(EPOCH FROM ts),
  YEAR(ts),
  MONTH(ts),
  DAYOFMONTH(ts),
  HOUR(ts),
  MINUTE(ts),
  SECOND(ts),
  QUARTER(ts),
  WEEK(ts),
  DAYOFYEAR(ts),
  DAYOFWEEK(ts)
FROM t;
