-- GEOHASH of points: precision 1 to 12, edges belong to the upper cell, the poles and the antimeridian, NULL in gives NULL.
CREATE TABLE t (
  id INT, lat DOUBLE, lon DOUBLE
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 STRING, c2 STRING, c3 STRING, c4 STRING, c5 STRING, c6 STRING, c7 STRING
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  GEOHASH(lat, lon, 1),
  GEOHASH(lat, lon, 5),
  GEOHASH(lat, lon, 6),
  GEOHASH(lat, lon, 7),
  GEOHASH(lat, lon, 12),
  GEOHASH(lat, lon, CAST(NULL AS INT)),
  GEOHASH(40.75, -73.99, 7)
FROM t;
