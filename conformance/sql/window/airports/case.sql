-- The reference pipeline in small: cells, airports, whole minutes, HAVING; one trip in a window is left out, negative durations are kept.
CREATE TABLE trips (
  `type` STRING, trip_id BIGINT, pickup_datetime TIMESTAMP_LTZ(3), dropoff_datetime TIMESTAMP_LTZ(3), pickup_latitude DOUBLE, pickup_longitude DOUBLE, dropoff_latitude DOUBLE, dropoff_longitude DOUBLE, WATERMARK FOR dropoff_datetime AS dropoff_datetime - INTERVAL '1' SECOND
) WITH ('connector'='filesystem','path'='input/trips.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE pickup_count (
  location STRING, pickup_count BIGINT, ts TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/pickup_count','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE trip_duration (
  location STRING, airport_code STRING, trip_count BIGINT, sum_trip_duration BIGINT, avg_trip_duration DOUBLE, ts TIMESTAMP_LTZ(3)
) WITH ('connector'='filesystem','path'='out/trip_duration','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TEMPORARY VIEW nyc AS SELECT * FROM trips WHERE `type` = 'trip' AND pickup_latitude BETWEEN 40.560 AND 40.878 AND pickup_longitude BETWEEN -74.054 AND -73.722 AND dropoff_latitude BETWEEN 40.560 AND 40.878 AND dropoff_longitude BETWEEN -74.054 AND -73.722;
CREATE TEMPORARY VIEW cells AS SELECT GEOHASH(pickup_latitude, pickup_longitude, 7) AS cell, dropoff_datetime FROM nyc;
CREATE TEMPORARY VIEW air AS SELECT GEOHASH(pickup_latitude, pickup_longitude, 6) AS cell, dropoff_datetime,
  CASE WHEN dropoff_latitude BETWEEN 40.632 AND 40.654 AND dropoff_longitude BETWEEN -73.800 AND -73.761 THEN 'JFK'
       WHEN dropoff_latitude BETWEEN 40.766 AND 40.778 AND dropoff_longitude BETWEEN -73.881 AND -73.859 THEN 'LGA' END AS airport_code,
  TIMESTAMPDIFF(MINUTE, pickup_datetime, dropoff_datetime) AS minutes FROM nyc;
EXECUTE STATEMENT SET BEGIN
INSERT INTO pickup_count SELECT cell, COUNT(*), window_end FROM TABLE(TUMBLE(TABLE cells, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, cell;
INSERT INTO trip_duration SELECT cell, airport_code, COUNT(*), SUM(CAST(minutes AS BIGINT)), CAST(SUM(CAST(minutes AS BIGINT)) AS DOUBLE) / COUNT(*), window_end FROM TABLE(TUMBLE(TABLE air, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) WHERE airport_code IS NOT NULL GROUP BY window_start, window_end, cell, airport_code HAVING COUNT(*) > 1;
END;
