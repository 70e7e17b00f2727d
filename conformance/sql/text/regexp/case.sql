-- REGEXP_EXTRACT finds anywhere; empty text for an empty group, NULL for no match or no such group; REGEXP_REPLACE replaces all; REGEXP.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING, c8 STRING, c9 STRING, c10 BOOLEAN, c11 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  REGEXP_EXTRACT(s, '([0-9]+)', 1),
  REGEXP_EXTRACT(s, '([0-9]+)-(\w*)', 2),
  REGEXP_EXTRACT(s, 'foo(.*?)(bar)', 2),
  REGEXP_EXTRACT(s, '-(x*)-', 1),
  REGEXP_EXTRACT(s, '[0-9]+'),
  REGEXP_EXTRACT(s, '[0-9]+', 3),
  REGEXP_EXTRACT(s, '(x)|([0-9])', 1),
  REGEXP_REPLACE(s, '[0-9]', '#'),
  REGEXP_REPLACE(s, '([a-z])([0-9])', '$2$1'),
  REGEXP(s, '^[a-z]'),
  REGEXP(s, '[0-9]')
FROM t;
