-- INSERT widens INT to BIGINT, DOUBLE and DECIMAL, and DATE-like types as far as nothing is lost.
CREATE TABLE t (
  a INT, f FLOAT, d DATE, ts TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  a BIGINT, b DOUBLE, c DECIMAL(12,1), e DOUBLE, ts TIMESTAMP(6), g TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT a, a, a, f, ts, ts FROM t;
