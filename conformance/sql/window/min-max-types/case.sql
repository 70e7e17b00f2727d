-- MIN and MAX of every numeric type, of text by code units, of times and of booleans.
CREATE TABLE t (
  ts TIMESTAMP(3), y TINYINT, h SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, m DECIMAL(10,2), s STRING, b BOOLEAN, x TIMESTAMP(3), e DATE, WATERMARK FOR ts AS ts
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  we TIMESTAMP(3), mi_y TINYINT, mx_y TINYINT, mi_h SMALLINT, mx_h SMALLINT, mi_i INT, mx_i INT, mi_l BIGINT, mx_l BIGINT, mi_f FLOAT, mx_f FLOAT, mi_d DOUBLE, mx_d DOUBLE, mi_m DECIMAL(10,2), mx_m DECIMAL(10,2), mis STRING, mxs STRING, mib BOOLEAN, mxb BOOLEAN, mxx TIMESTAMP(3), mie DATE
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT window_end, MIN(y), MAX(y), MIN(h), MAX(h), MIN(i), MAX(i), MIN(l), MAX(l), MIN(f), MAX(f), MIN(d), MAX(d), MIN(m), MAX(m), MIN(s), MAX(s), MIN(b), MAX(b), MAX(x), MIN(e) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
