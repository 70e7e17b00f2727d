"""`hailstream app correct`: windows that closed before all of their trips had come are computed anew, and are then right."""

import json
import os
import subprocess
import time

from hailstream import BINARY, wait_for
from trips import documents, results_of

BARE = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HAILSTREAM_"))}


def correct(platform, *arguments):
    command = [BINARY, "app", "correct", "taxi", "--console", platform.addresses["console"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=BARE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def apart(trips, folder):
    """All trips but some of the early ones, as a file, and these as records."""
    lines = trips.read_bytes().splitlines(keepends=True)
    held = lines[1_000:20_000:40]
    kept = folder / "in-time.ndjson"
    kept.write_bytes(b"".join(lines[:1_000] + [line for i, line in enumerate(lines[1_000:20_000]) if i % 40] + lines[20_000:]))
    return kept, held


def of_windows(results, ends):
    return [{key: value for key, value in part.items() if key[0] in ends} for part in results]


def test_late_trips_are_counted_by_a_correction(start, generated, tmp_path):
    trips, expected = generated
    in_time, late = apart(trips, tmp_path)
    platform = start("--trips", in_time, "--speedup", "max", "--unlimited", "--headless", command="demo")

    def application():
        return platform.console("/api/pipeline")["application"]

    wait_for(lambda: platform.console("/api/pipeline")["replay"]["state"] == "finished", "the replay to end")
    wait_for(lambda: len(documents(platform.search(), "pickup_count")) > 0 and application()["millis_behind_latest"] == 0,
             "all trips to be read")
    assert correct(platform) == "Application taxi has had no late rows that are still kept.\n"
    records = [{"Data": line, "PartitionKey": str(i)} for i, line in enumerate(late)]
    assert platform.kinesis().put_records(StreamName="trips", Records=records)["FailedRecordCount"] == 0
    # Trips outside New York are late for nothing; when no more come, all have been read.
    wait_for(lambda: application()["late"] > 300, "late trips")
    seen = -1
    while seen != application()["late"]:
        seen = application()["late"]
        time.sleep(1.5)
    plan = json.loads(correct(platform, "--plan", "--json"))
    assert plan["late_rows"] >= 300 and plan["work"] is None and plan["lost"] == [] and plan["refused"] == []
    assert {sink for window in plan["corrected"] for sink in window["sinks"]} == {"pickup_count", "trip_duration"}
    assert all(window["end_ms"] - window["start_ms"] == 3_600_000 for window in plan["corrected"])
    assert len(plan["from"]) == 8 and all(split["position"] == 0 for split in plan["from"])
    ends = {window["end_ms"] for window in plan["corrected"]}
    before, right = of_windows(results_of(platform), ends), of_windows(expected, ends)
    assert before != right
    assert "windows can be corrected" in correct(platform, "--plan")
    assert of_windows(results_of(platform), ends) == before, "a plan changes nothing"
    told = correct(platform)
    assert "windows are corrected" in told and "each in the place of the one before" in told
    assert of_windows(results_of(platform), ends) == right
    wait_for(lambda: results_of(platform) == expected, "all results to be those of trips in order", seconds=60)
    assert application()["state"] == "running" and application()["restarts"] == 0
    assert platform.end() == 0, platform.log_text()
