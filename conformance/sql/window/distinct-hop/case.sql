-- A value that comes in several slices of a sliding or cumulating window counts once in the window; MIN(DISTINCT) is MIN.
CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE sliding (
  we TIMESTAMP(3), k STRING, c BIGINT, s INT, a INT, m INT
) WITH ('connector'='filesystem','path'='out/sliding','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE cumulating (
  we TIMESTAMP(3), c BIGINT, d BIGINT, n BIGINT
) WITH ('connector'='filesystem','path'='out/cumulating','format'='json','json.timestamp-format.standard'='ISO-8601');
EXECUTE STATEMENT SET BEGIN
INSERT INTO sliding SELECT window_end, k, COUNT(DISTINCT v / 2), SUM(DISTINCT v / 2), AVG(DISTINCT v / 2), MIN(DISTINCT v) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR)) GROUP BY window_start, window_end, k;
INSERT INTO cumulating SELECT window_end, COUNT(DISTINCT k), COUNT(DISTINCT k) FILTER (WHERE v > 4), COUNT(k) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '6' HOUR)) GROUP BY window_start, window_end;
END;
