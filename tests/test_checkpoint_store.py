"""Checkpoints in an object store: what they survive, and what becomes of an application while nobody answers there."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from hailstream import BINARY, wait_for
from object_store import ObjectStore, free_port
from trips import check

PLACE = "s3://kept/platform"
TRIPS = 60_000


@pytest.fixture
def objects(tmp_path):
    store = ObjectStore(tmp_path / "object-store.log")
    yield store
    store.close()


def figure(platform, name):
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics", timeout=60) as answer:
        found = re.search(rf"^hailstream_application_{name}{{[^}}]*}} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0


def application(platform):
    return platform.console("/api/pipeline")["application"]


def demo(start, objects, trips, speedup):
    return start("--trips", trips, "--speedup", speedup, "--unlimited", "--headless", "--checkpoint-dir", PLACE,
                 command="demo", environment=objects.environment)


def app(platform, objects, *arguments):
    command = [BINARY, "app", *arguments, "--json", "--data-dir", platform.data_dir / "data", "--checkpoint-dir", PLACE]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                          env=os.environ | objects.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_application_goes_on_from_a_bucket_after_a_kill(start, objects, generated):
    platform = demo(start, objects, generated[0], 7200)
    wait_for(lambda: figure(platform, "checkpoints_completed_total") >= 3 and application(platform)["watermark_ms"],
             "checkpoints")
    platform.console("/api/application/snapshots/take", {"name": "before"})
    platform.end(signal.SIGKILL)
    shutil.rmtree(platform.data_dir / "data" / "state", ignore_errors=True)
    names = objects.names()
    assert any(name.endswith(".manifest") for name in names), names
    assert all(name.startswith("platform/application-taxi/") for name in names), names
    state = json.loads(app(platform, objects, "state", "taxi"))
    read = sum(split["position"] for split in state["sources"][0]["splits"])
    assert 0 < read < TRIPS
    assert [json.loads(line)["name"] for line in app(platform, objects, "snapshots", "taxi").splitlines()] == ["before"]
    platform = demo(start, objects, generated[0], "max")
    check(platform, generated[1])
    assert figure(platform, "records_in_total") == TRIPS - read, "what had been counted was read again"
    assert not (platform.data_dir / "data" / "state").exists()
    assert platform.end() == 0, platform.log_text()


def test_an_application_works_while_the_bucket_is_away_and_waits_for_it_to_start(start, objects, generated):
    platform = demo(start, objects, generated[0], 3600)
    wait_for(lambda: figure(platform, "checkpoints_completed_total") >= 2, "checkpoints")
    objects.wire.cut()
    wait_for(lambda: figure(platform, "checkpoints_failed_total") >= 1, "a checkpoint to fail")
    read = figure(platform, "records_in_total")
    wait_for(lambda: figure(platform, "records_in_total") > read, "the application to go on")
    assert application(platform)["state"] == "running" and application(platform)["restarts"] == 0
    assert "a checkpoint has failed" in platform.log_text() and PLACE in platform.log_text()
    with pytest.raises(urllib.error.HTTPError) as refused:
        platform.console("/api/application/stop", {})
    told = json.loads(refused.value.read())["error"]
    assert (refused.value.code, told["kind"]) == (503, "Unavailable") and "goes on running" in told["message"]
    objects.wire.mend()
    done = figure(platform, "checkpoints_completed_total")
    wait_for(lambda: figure(platform, "checkpoints_completed_total") > done, "checkpoints again")
    platform.end(signal.SIGKILL)

    objects.wire.cut()
    platform = demo(start, objects, generated[0], "max")
    wait_for(lambda: application(platform)["last_error"], "the start to fail")
    assert application(platform)["state"] == "starting" and PLACE in application(platform)["last_error"]
    objects.wire.mend()
    check(platform, generated[1])


@pytest.mark.parametrize("place, variables, told", [
    ("s3://", {}, "names no bucket"),
    ("s3://nobody/x", {}, "no such bucket"),
    (PLACE, {"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY"),
    (PLACE, {"AWS_ENDPOINT_URL_S3": "localhost"}, "is no address of an object store"),
])
def test_a_place_that_cannot_be_is_told_before_anything_opens(objects, tmp_path, place, variables, told):
    command = [BINARY, "serve", "--data-dir", tmp_path / "data", "--checkpoint-dir", place]
    for door in ("aws", "search", "console"):
        command += [f"--{door}-port", free_port()]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                          env=os.environ | objects.environment | variables)
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "stream").exists()
