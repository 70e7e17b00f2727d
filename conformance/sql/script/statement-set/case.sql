-- A statement set writes several sinks from one reading of a table.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE first_ (
  k STRING, v INT
) WITH ('connector'='filesystem','path'='out/first_','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE second_ (
  we TIMESTAMP(3), n BIGINT
) WITH ('connector'='filesystem','path'='out/second_','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE third_ (
  v INT
) WITH ('connector'='filesystem','path'='out/third_','format'='json','json.timestamp-format.standard'='ISO-8601');
EXECUTE STATEMENT SET
BEGIN
INSERT INTO first_ SELECT k, v FROM t WHERE v > 5;
INSERT INTO second_ SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
INSERT INTO third_ SELECT v * 2 FROM t;
END;
