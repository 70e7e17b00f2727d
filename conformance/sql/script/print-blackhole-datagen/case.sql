-- A bounded datagen of sequences: deterministic rows; blackhole takes anything.
CREATE TABLE g (id BIGINT, x INT) WITH ('connector'='datagen','number-of-rows'='5','fields.id.kind'='sequence','fields.id.start'='1','fields.id.end'='5','fields.x.kind'='sequence','fields.x.start'='10','fields.x.end'='14');
CREATE TABLE hole (id BIGINT) WITH ('connector'='blackhole');
CREATE TABLE answers (
  id BIGINT, x INT
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO hole SELECT id FROM g;
INSERT INTO answers SELECT id, x FROM g;
