-- WITH without a connector.
CREATE TABLE t (id INT) WITH ('path'='input/t.ndjson','format'='json');
CREATE TABLE answers (
  id INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id FROM t;
