"""Platforms for tests: started on demand, gone when the test ends."""

import signal
import subprocess
import sys

import pytest

from hailstream import BINARY, ROOT, Platform
from trips import expected_of


@pytest.fixture
def start(tmp_path):
    """Starts platforms; ends those that still run when the test is over."""
    started = []

    def _start(*args, name="platform", **kwargs):
        started.append(Platform(tmp_path / name, *args, **kwargs))
        return started[-1]

    yield _start
    for platform in started:
        if platform.process.poll() is None:
            platform.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """Generated trips and what the independent program computes of them."""
    folder = tmp_path_factory.mktemp("generated")
    trips = folder / "trips.ndjson"
    with open(trips, "wb") as out:
        subprocess.run([BINARY, "replay", "--print", "--count", "60000", "--seed", "7"], stdout=out, check=True)
    subprocess.run([sys.executable, ROOT / "examples" / "taxi" / "check.py", trips, folder], check=True)
    return trips, expected_of(folder / "expected_pickup_count.csv", folder / "expected_trip_duration.csv")
