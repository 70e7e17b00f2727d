-- UNION ALL keeps duplicates; names come from the first part; types meet.
CREATE TABLE t (
  id INT, a INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE u (
  id INT, a BIGINT
) WITH ('connector'='filesystem','path'='input/u.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, a BIGINT, w STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, a, 't' FROM t UNION ALL SELECT id, a, 'other' FROM u UNION ALL SELECT id, a, 't' FROM t WHERE a > 1;
