-- INSERT INTO … VALUES: the types of the rows meet; NULL takes the column's type.
CREATE TABLE answers (
  a INT, s STRING, d DOUBLE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers VALUES (1, 'x', 1.5), (2, 'longer', 2), (CAST(NULL AS INT), '', CAST(NULL AS DOUBLE));
