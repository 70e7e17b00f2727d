-- Nested objects as ROW: field access by dots, NULL within NULL; a view with the name of a ROW column.
CREATE TABLE t (
  id INT, bid ROW<price INT, who ROW<name STRING>>
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, p INT, n STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id, bid.price, t.bid.who.name FROM t;
