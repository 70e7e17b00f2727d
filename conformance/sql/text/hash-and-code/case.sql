-- MD5, SHA256, TO_BASE64, FROM_BASE64, CHR, HEX, ENCODE and DECODE.
CREATE TABLE t (
  id INT, s STRING, n INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  MD5(s),
  SHA1(s),
  SHA256(s),
  TO_BASE64(s),
  FROM_BASE64(TO_BASE64(s)),
  CHR(n),
  HEX(s),
  HEX(n),
  BIN(n)
FROM t;
