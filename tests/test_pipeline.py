"""The main job end to end: trips → stream of eight shards → application → index, read back with elasticsearch-py."""

import csv
import signal
import subprocess
import sys

import pytest
from elasticsearch import helpers

from hailstream import BINARY, ROOT, SHARED, wait_for


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
    """Waits until the replay has ended and the results are complete, then gives them."""
    def ended():
        state = platform.console("/api/pipeline")["replay"]["state"]
        assert state != "failed", platform.log_text()
        return state == "finished"

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


real = pytest.mark.parametrize("folder", ["taxi", "taxi-day"])


@pytest.fixture
def shared(folder):
    if not (SHARED / folder).is_dir():
        pytest.skip("left out: the real trips are not beside this checkout; the generated ones are always checked")
    return SHARED / folder


@real
def test_real_trips_give_the_expected_rows(start, shared):
    expected = expected_of(shared / "expected_pickup_count.csv", shared / "expected_trip_duration.csv")
    platform = start("--trips", shared / "trips.ndjson.zst", "--speedup", "max", "--unlimited", "--headless", command="demo")
    check(platform, expected)
    assert platform.end() == 0, platform.log_text()


@real
def test_real_trips_are_exact_when_the_shards_are_doubled_midway_under_throttling(start, shared):
    expected = expected_of(shared / "expected_pickup_count.csv", shared / "expected_trip_duration.csv")
    platform = start("--trips", shared / "trips.ndjson.zst", "--speedup", "max", "--headless", "--parallelism", 2, command="demo")
    wait_for(lambda: platform.console("/api/pipeline")["replay"]["sent"] > 20_000, "the replay to be under way")
    platform.kinesis().update_shard_count(StreamName="trips", TargetShardCount=16, ScalingType="UNIFORM_SCALING")
    check(platform, expected)
    pipeline = platform.console("/api/pipeline")
    assert pipeline["replay"]["refused"] > 0, "the stream was too small on purpose"
    assert platform.kinesis().describe_stream_summary(StreamName="trips")["StreamDescriptionSummary"]["OpenShardCount"] == 16


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """Generated trips and what the independent program computes of them."""
    folder = tmp_path_factory.mktemp("generated")
    trips = folder / "trips.ndjson"
    with open(trips, "wb") as out:
        subprocess.run([BINARY, "replay", "--print", "--count", "60000", "--seed", "7"], stdout=out, check=True)
    subprocess.run([sys.executable, ROOT / "examples" / "taxi" / "check.py", trips, folder], check=True)
    return trips, expected_of(folder / "expected_pickup_count.csv", folder / "expected_trip_duration.csv")


def test_generated_trips_give_the_rows_of_an_independent_program(start, generated):
    trips, expected = generated
    platform = start("--trips", trips, "--speedup", "max", "--unlimited", "--headless", command="demo")
    check(platform, expected)


def test_the_demo_continues_where_it_was_after_an_end_and_after_a_kill(start, generated):
    trips, expected = generated
    options = ("--trips", trips, "--speedup", "max", "--shards", 4, "--headless")
    for how in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        platform = start(*options, command="demo")
        before = platform.console("/api/pipeline")["replay"]["sent"]
        wait_for(lambda: platform.console("/api/pipeline")["replay"]["sent"] > before + 5_000, "some trips to be sent")
        platform.end(how)
    platform = start(*options, command="demo")
    check(platform, expected)
