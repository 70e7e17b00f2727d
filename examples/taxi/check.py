#!/usr/bin/env python3
"""Computes the results of the taxi pipeline from a file of trips, independently of the platform, as two CSV files to compare with.

Reads NDJSON (plain or gzip, `-` for standard input), one trip a line, and writes OUT/expected_pickup_count.csv and
OUT/expected_trip_duration.csv, every window closed, ordered by time and place. Plain Python, with its own geohash.
"""

import argparse
import collections
import contextlib
import datetime
import gzip
import json
import pathlib
import sys

CITY = (40.560, 40.878, -74.054, -73.722)
AIRPORTS = {"JFK": (40.632, 40.654, -73.800, -73.761), "LGA": (40.766, 40.778, -73.881, -73.859)}
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
PICKUP_HEADER = ("timestamp", "location", "pickup_count")
DURATION_HEADER = ("timestamp", "location", "airport_code", "trip_count", "sum_trip_duration", "avg_trip_duration")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def geohash(latitude, longitude, length):
    """The geohash cell of a point; a coordinate exactly on an edge belongs to the upper cell."""
    bounds = {0: [-180.0, 180.0], 1: [-90.0, 90.0]}
    point = {0: longitude, 1: latitude}
    bits = 0
    for step in range(5 * length):
        axis = step % 2
        middle = sum(bounds[axis]) / 2
        upper = point[axis] >= middle
        bounds[axis][0 if upper else 1] = middle
        bits = bits * 2 + upper
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(length)))


def inside(box, latitude, longitude):
    """Whether a point is in a box (south, north, west, east), edges included; an unknown coordinate is nowhere."""
    if latitude is None or longitude is None:
        return False
    south, north, west, east = box
    return south <= latitude <= north and west <= longitude <= east


def epoch_ms(text):
    """An ISO-8601 time in UTC as milliseconds since 1970, finer parts cut."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - EPOCH) // datetime.timedelta(milliseconds=1)


def whole_minutes(duration_ms):
    """Whole minutes, cut toward zero, so that -90 seconds are -1."""
    return -(-duration_ms // MINUTE_MS) if duration_ms < 0 else duration_ms // MINUTE_MS


class Results:
    """The counts of both outputs, by window end and place."""

    def __init__(self):
        self.pickups = collections.Counter()
        self.durations = collections.defaultdict(list)

    def add(self, trip):
        """Counts one trip where the rules keep it."""
        pickup = trip.get("pickup_latitude"), trip.get("pickup_longitude")
        dropoff = trip.get("dropoff_latitude"), trip.get("dropoff_longitude")
        if trip.get("type") != "trip" or not inside(CITY, *pickup) or not inside(CITY, *dropoff):
            return
        ended = epoch_ms(trip["dropoff_datetime"])
        window_end = ended - ended % HOUR_MS + HOUR_MS
        self.pickups[window_end, geohash(*pickup, 7)] += 1
        airport = next((code for code, box in AIRPORTS.items() if inside(box, *dropoff)), None)
        if airport and trip.get("pickup_datetime"):
            minutes = whole_minutes(ended - epoch_ms(trip["pickup_datetime"]))
            self.durations[window_end, geohash(*pickup, 6), airport].append(minutes)

    def pickup_rows(self):
        """The rows of PICKUP_HEADER, in order."""
        return [(*key, count) for key, count in sorted(self.pickups.items())]

    def duration_rows(self):
        """The rows of DURATION_HEADER, in order; windows that hold a single trip are left out."""
        return [(*key, len(m), sum(m), sum(m) / len(m)) for key, m in sorted(self.durations.items()) if len(m) > 1]


@contextlib.contextmanager
def opened(path):
    """The lines of a file, of a gzip file, or of standard input."""
    if path == "-":
        yield sys.stdin
        return
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path, encoding="utf-8") as lines:
        yield lines


def write(path, header, rows):
    """Writes rows as CSV under a header."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(header) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)


def main():
    """Reads the trips, writes both files, says how many rows each has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="example: check.py trips.ndjson out/")
    parser.add_argument("trips", help="NDJSON, one trip a line; .gz is unpacked; - reads standard input")
    parser.add_argument("out", type=pathlib.Path, help="folder to write to, made if need be")
    given = parser.parse_args()
    results = Results()
    with opened(given.trips) as lines:
        for number, line in enumerate(lines, 1):
            try:
                results.add(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"check.py: {given.trips}:{number}: not a trip: {error!r}")
    given.out.mkdir(parents=True, exist_ok=True)
    write(given.out / "expected_pickup_count.csv", PICKUP_HEADER, results.pickup_rows())
    write(given.out / "expected_trip_duration.csv", DURATION_HEADER, results.duration_rows())
    print(f"{len(results.pickup_rows())} rows of pickup_count, {len(results.duration_rows())} rows of trip_duration")


if __name__ == "__main__":
    main()
