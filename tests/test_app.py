"""`hailstream app`: what an application keeps, looked at beside the running platform and after it has ended."""

import json
import subprocess
import urllib.error

import pytest

from hailstream import BINARY, ROOT, wait_for

SCRIPT = ROOT / "examples" / "taxi" / "taxi.sql"


def app(platform, *arguments, code=0):
    """What the command prints."""
    command = [BINARY, "app", *map(str, arguments), "--data-dir", str(platform.data_dir / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def half_way(start, generated):
    """A platform in the middle of its windows."""
    platform = start("--trips", generated[0], "--speedup", "7200", "--unlimited", "--headless", command="demo")

    def kept():
        if not (platform.data_dir / "data" / "state").is_dir():
            return None
        done = subprocess.run([BINARY, "app", "state", "taxi", "--json", "--data-dir", str(platform.data_dir / "data")],
                              capture_output=True, text=True, timeout=60)
        return done.returncode == 0 and any(o["slices"] for o in json.loads(done.stdout)["operators"])

    wait_for(kept, "a checkpoint with groups")
    return platform


def test_state_is_looked_at_while_the_platform_runs(half_way):
    assert lines(app(half_way, "list", "--json")) == [{"name": "taxi", "parallelism": 1, "kpus": 1}]
    state = json.loads(app(half_way, "state", "taxi", "--json"))
    operators = {operator["name"]: operator for operator in state["operators"]}
    assert set(operators) == {"pickup_count", "trip_duration"}
    (source,) = state["sources"]
    assert source["table"] == "trips" and len(source["splits"]) == 8
    for operator in operators.values():
        for window in operator["slices"]:
            assert window["end_ms"] - window["start_ms"] == 3_600_000
            assert window["end_ms"] > source["watermark_ms"], "windows that have closed are not kept"
    text = app(half_way, "state", "taxi")
    assert "operator pickup_count: COUNT(*)" in text and "trips, shard 0 up to position" in text
    groups = lines(app(half_way, "state", "taxi", "--groups", "pickup_count", "--limit", 7, "--json"))
    assert 0 < len(groups) <= 7
    assert all(set(group) == {"start", "end", "group"} for group in groups)


def test_a_script_is_compared_with_the_state_before_it_replaces_the_old_one(half_way, tmp_path):
    assert app(half_way, "check", "taxi", "--script", SCRIPT).splitlines() == [
        "source trips: kept", "operator pickup_count: kept", "operator trip_duration: kept"]
    changed = tmp_path / "changed.sql"
    changed.write_text(SCRIPT.read_text().replace("INTERVAL '1' HOUR", "INTERVAL '2' HOUR"))
    refused = app(half_way, "check", "taxi", "--script", changed, code=1)
    assert "its windows were" in refused and "pickup_count" in refused and "trip_duration" in refused


def test_a_snapshot_is_taken_and_gone_back_to_with_another_parallelism(half_way):
    def snapshots():
        return [one["name"] for one in half_way.console("/api/application/snapshots")["snapshots"]]

    assert snapshots() == []
    half_way.console("/api/application/snapshots/take", {"name": "before.1"})
    assert snapshots() == ["before.1"]
    assert [line["name"] for line in lines(app(half_way, "snapshots", "taxi", "--json"))] == ["before.1"]
    kept = json.loads(app(half_way, "state", "taxi", "--snapshot", "before.1", "--json"))
    half_way.console("/api/application/snapshots/restore", {"name": "before.1", "parallelism": 3})

    def shown():
        return half_way.console("/api/pipeline")["application"]

    wait_for(lambda: (shown()["state"], shown()["parallelism"]) == ("running", 3), "the application to go on from it")
    now = json.loads(app(half_way, "state", "taxi", "--json"))
    assert now["number"] > kept["number"]
    assert now["sources"][0]["watermark_ms"] >= kept["sources"][0]["watermark_ms"]
    half_way.console("/api/application/snapshots/remove", {"name": "before.1"})
    assert snapshots() == []
    for path, body, status in [("take", {"name": "a/b"}, 400), ("restore", {"name": "none", "parallelism": 2}, 404),
                               ("remove", {"name": "none"}, 404)]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            half_way.console("/api/application/snapshots/" + path, body)
        assert refused.value.code == status, path


def test_what_is_not_there_is_named(half_way):
    assert "has no application nobody; it has: taxi" in app(half_way, "state", "nobody", code=1)
    assert "snapshot-none.manifest" in app(half_way, "state", "taxi", "--snapshot", "none", code=1)
    assert "no state of an operator nothing" in app(half_way, "state", "taxi", "--groups", "nothing", code=1)
    assert app(half_way, "snapshots", "taxi") == ""
