"""The results of the taxi example: what must come of some trips, and what has come of them in a platform."""

import csv

from elasticsearch import helpers

from hailstream import wait_for


def expected_of(pickups_csv, durations_csv):
    with open(pickups_csv, newline="") as file:
        pickups = {(int(r["timestamp"]), r["location"]): int(r["pickup_count"]) for r in csv.DictReader(file)}
    with open(durations_csv, newline="") as file:
        durations = {
            (int(r["timestamp"]), r["location"], r["airport_code"]):
                (int(r["trip_count"]), int(r["sum_trip_duration"]), float(r["avg_trip_duration"]))
            for r in csv.DictReader(file)}
    return pickups, durations


def documents(search, index):
    return [hit["_source"] for hit in helpers.scan(search, index=index, size=5000)]


def results_of(platform):
    search = platform.search()
    search.indices.refresh(index="pickup_count,trip_duration")
    pickups = {(d["timestamp"], d["location"]): d["pickup_count"] for d in documents(search, "pickup_count")}
    durations = {
        (d["timestamp"], d["location"], d["airport_code"]):
            (d["trip_count"], d["sum_trip_duration"], d["avg_trip_duration"])
        for d in documents(search, "trip_duration")}
    return pickups, durations


def worked_off(platform, expected):
    """Waits until the replay has ended, where the platform has one, and the results are complete, then gives them."""
    def ended():
        replay = platform.console("/api/pipeline")["replay"]
        assert not replay or replay["state"] != "failed", platform.log_text()
        return not replay or replay["state"] == "finished"

    wait_for(ended, "the replay to end")
    search = platform.search()
    wait_for(lambda: search.count(index="pickup_count")["count"] >= len(expected[0]), "all cells to be there")
    wait_for(lambda: search.count(index="trip_duration")["count"] >= len(expected[1]), "all airport trips to be there")
    wait_for(lambda: results_of(platform) == expected, "the last counts to be final", seconds=30)
    return results_of(platform)


def differences(actual, expected):
    """A few of the differences, so that a failure says more than that there is one."""
    wrong = {k: (v, expected.get(k)) for k, v in actual.items() if expected.get(k) != v}
    missing = {k: v for k, v in expected.items() if k not in actual}
    return {"wrong": dict(list(wrong.items())[:5]), "missing": dict(list(missing.items())[:5]),
            "counts": (len(actual), len(expected), len(wrong), len(missing))}


def check(platform, expected):
    try:
        actual = worked_off(platform, expected)
    except AssertionError as error:
        actual = results_of(platform)
        raise AssertionError([differences(a, e) for a, e in zip(actual, expected)]) from error
    assert actual == expected
    application = platform.console("/api/pipeline")["application"]
    assert (application["late"], application["bad"]) == (0, 0), application
