"""The main job end to end: trips → stream of eight shards → application → index, read back with elasticsearch-py."""

import signal

import pytest

from hailstream import SHARED, wait_for
from trips import check, expected_of


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
