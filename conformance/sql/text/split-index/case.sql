-- SPLIT_INDEX counts from 0 and keeps empty parts; a separator of several characters is one; NULL past the end, for a negative index and for empty text.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  SPLIT_INDEX(s, ',', 0),
  SPLIT_INDEX(s, ',', 1),
  SPLIT_INDEX(s, ',', 2),
  SPLIT_INDEX(s, ',', 4),
  SPLIT_INDEX(s, ',', 5),
  SPLIT_INDEX(s, ',', -1),
  SPLIT_INDEX(s, '::', 1),
  SPLIT_INDEX(s, ':', 1),
  SPLIT_INDEX(s, 44, 1)
FROM t;
