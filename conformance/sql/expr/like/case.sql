-- LIKE matches the whole text and by case; _ is one character, ESCAPE; % matches line ends; SIMILAR TO.
CREATE TABLE t (
  id INT, s STRING
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 BOOLEAN, c2 BOOLEAN, c3 BOOLEAN, c4 BOOLEAN, c5 BOOLEAN, c6 BOOLEAN, c7 BOOLEAN, c8 BOOLEAN, c9 BOOLEAN, c10 BOOLEAN, c11 BOOLEAN, c12 BOOLEAN
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  s LIKE 't%',
  s LIKE '%i',
  s LIKE 'a_b',
  s LIKE 'a!_b' ESCAPE '!',
  s LIKE '%',
  s LIKE '',
  s NOT LIKE '%x%',
  s LIKE 't_x',
  s LIKE '__',
  s LIKE '%!%' ESCAPE '!',
  s LIKE 'a.b',
  s LIKE 'taxi'
FROM t;
