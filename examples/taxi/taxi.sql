-- A taxi fleet: pickups by area and hour, and trip times to the airports.
-- The same text runs on Apache Flink 1.20 with its Kinesis and Elasticsearch connectors and a GEOHASH function.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE trips (
  `type` STRING,
  pickup_datetime TIMESTAMP_LTZ(3),
  dropoff_datetime TIMESTAMP_LTZ(3),
  pickup_latitude DOUBLE,
  pickup_longitude DOUBLE,
  dropoff_latitude DOUBLE,
  dropoff_longitude DOUBLE,
  WATERMARK FOR dropoff_datetime AS dropoff_datetime - INTERVAL '1' SECOND
) WITH (
  'connector' = 'kinesis',
  'stream' = 'trips',
  'aws.region' = 'us-east-1',
  'scan.stream.initpos' = 'TRIM_HORIZON',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE pickup_count (
  `timestamp` BIGINT,
  location STRING,
  pickup_count BIGINT,
  PRIMARY KEY (`timestamp`, location) NOT ENFORCED
) WITH ('connector' = 'elasticsearch-7', 'hosts' = 'http://127.0.0.1:9200', 'index' = 'pickup_count');

CREATE TABLE trip_duration (
  `timestamp` BIGINT,
  location STRING,
  airport_code STRING,
  trip_count BIGINT,
  sum_trip_duration BIGINT,
  avg_trip_duration DOUBLE,
  PRIMARY KEY (`timestamp`, location, airport_code) NOT ENFORCED
) WITH ('connector' = 'elasticsearch-7', 'hosts' = 'http://127.0.0.1:9200', 'index' = 'trip_duration');

-- Trips with both ends inside New York.
CREATE TEMPORARY VIEW nyc AS
SELECT * FROM trips
WHERE `type` = 'trip'
  AND pickup_latitude BETWEEN 40.560 AND 40.878 AND pickup_longitude BETWEEN -74.054 AND -73.722
  AND dropoff_latitude BETWEEN 40.560 AND 40.878 AND dropoff_longitude BETWEEN -74.054 AND -73.722;

CREATE TEMPORARY VIEW pickups AS
SELECT GEOHASH(pickup_latitude, pickup_longitude, 7) AS cell, dropoff_datetime FROM nyc;

CREATE TEMPORARY VIEW airport_trips AS
SELECT
  GEOHASH(pickup_latitude, pickup_longitude, 6) AS cell,
  dropoff_datetime,
  CASE
    WHEN dropoff_latitude BETWEEN 40.632 AND 40.654 AND dropoff_longitude BETWEEN -73.800 AND -73.761 THEN 'JFK'
    WHEN dropoff_latitude BETWEEN 40.766 AND 40.778 AND dropoff_longitude BETWEEN -73.881 AND -73.859 THEN 'LGA'
  END AS airport_code,
  CAST(TIMESTAMPDIFF(MINUTE, pickup_datetime, dropoff_datetime) AS BIGINT) AS minutes
FROM nyc;

-- `timestamp` is the end of the hour in milliseconds since 1970.
EXECUTE STATEMENT SET BEGIN
INSERT INTO pickup_count
SELECT
  CAST(1000 AS BIGINT) * TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end),
  cell,
  COUNT(*)
FROM TABLE(TUMBLE(TABLE pickups, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, cell;

INSERT INTO trip_duration
SELECT
  CAST(1000 AS BIGINT) * TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end),
  cell,
  airport_code,
  COUNT(*),
  SUM(minutes),
  AVG(CAST(minutes AS DOUBLE))
FROM TABLE(TUMBLE(TABLE airport_trips, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR))
WHERE airport_code IS NOT NULL
GROUP BY window_start, window_end, cell, airport_code
HAVING COUNT(*) > 1;
END;
