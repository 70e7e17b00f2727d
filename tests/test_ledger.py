"""The ledger: replay → stream → application → index, killed again and again and rescaled on the way; every trip counts once."""

import random
import re
import signal
import time
import urllib.error
import urllib.request

import pytest

from hailstream import SHARED, wait_for
from trips import check, expected_of

KILLS = 50
RESCALES = 20


def figure(platform, name):
    """A reading on /metrics; `None` while there is none."""
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics", timeout=30) as answer:
        found = re.search(rf"^hailstream_{name}(?:{{[^}}]*}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else None


def rescaled(platform, parallelism):
    """Whether the application took another parallelism; it may be starting, or have ended."""
    try:
        platform.console("/api/application/parallelism", {"parallelism": parallelism})
    except urllib.error.HTTPError:
        return False
    return platform.console("/api/pipeline")["application"]["parallelism"] == parallelism


@pytest.mark.parametrize("source", ["taxi-day", "generated"])
def test_every_trip_counts_once_through_kills_and_rescales(start, source, request):
    if source == "generated":
        trips, expected = request.getfixturevalue("generated")
        speedup = 600
    elif (SHARED / source).is_dir():
        folder = SHARED / source
        trips, speedup = folder / "trips.ndjson.zst", 1800
        expected = expected_of(folder / "expected_pickup_count.csv", folder / "expected_trip_duration.csv")
    else:
        pytest.skip("left out: the real trips are not beside this checkout; the generated ones are always checked")
    dice = random.Random(7)
    arguments = ("--trips", trips, "--unlimited", "--headless")
    kills, rescales = 0, 0
    while kills < KILLS or rescales < RESCALES:
        assert kills < 3 * KILLS, f"only {rescales} rescales in {kills} lives"
        platform = start(*arguments, "--speedup", speedup, command="demo")
        # A life counts once something was read in it.
        wait_for(lambda: (figure(platform, "application_records_in_total") or 0) > 0, "records to be read")
        if kills % 2 == 0:
            rescales += rescaled(platform, dice.choice([1, 2, 3, 4, 8]))
        time.sleep(dice.uniform(0, 0.4))
        assert platform.console("/api/pipeline")["replay"]["state"] == "running", "the lives are longer than the replay"
        platform.end(signal.SIGKILL)
        kills += 1
    platform = start(*arguments, "--speedup", "max", command="demo")
    check(platform, expected)
    assert platform.end() == 0, platform.log_text()
