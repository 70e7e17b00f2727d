-- UNIX_TIMESTAMP of text is in whole seconds; FROM_UNIXTIME writes local time.
CREATE TABLE t (
  id INT, s STRING, n BIGINT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BIGINT, c2 BIGINT, c3 STRING, c4 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  UNIX_TIMESTAMP(s),
  UNIX_TIMESTAMP(s, 'yyyy-MM-dd HH:mm:ss'),
  FROM_UNIXTIME(n),
  FROM_UNIXTIME(n, 'yyyy/MM/dd')
FROM t;
