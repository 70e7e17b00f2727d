"""Calibration by the real binary: what is measured in earnest, how sure it is, and whether the size that it tells keeps up."""

import json
import subprocess

from hailstream import BINARY, ROOT

TAXI = ROOT / "examples" / "taxi"


def calibrate(*args, code=0):
    run = subprocess.run([BINARY, "calibrate", *map(str, args)], capture_output=True, text=True, timeout=300)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run


def test_operators_are_told_with_their_doubt_and_results_go_to_a_real_index(tmp_path):
    page = tmp_path / "report.html"
    run = calibrate(TAXI / "taxi.sql", "--stack", TAXI / "stack.yaml", "--scratch", tmp_path, "--rows", 20_000, "--time", 10,
                    "--rate", 13_000, "--json", "--html", page)
    report = json.loads(run.stdout)
    assert report["written"] == ["pickup_count", "trip_duration"] and report["left_out"] == [], report["written"]
    operators = {one["operator"]: one for one in report["operators"]}
    assert set(operators) == {"source trips", "window aggregate 3", "window aggregate 7", "sink pickup_count", "sink trip_duration"}
    for one in operators.values():
        likely, sure = one["alone"]
        assert one["us_per_record"] > 0 and 0 < sure < likely, one
    shared = [one["part"] for one in operators.values() if not one["sink"]]
    assert abs(sum(shared) - 1) < 1e-6, shared
    assert report["full_first"].startswith("Full first on "), report["full_first"]
    assert all(len(point["rates"]) >= 3 for point in report["points"]), report["points"]
    assert report["spread"] > 0
    # What was written while measuring is gone.
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    text = page.read_text()
    assert "prefers-color-scheme:dark" in text and "window aggregate 3" in text and "<script" not in text


def test_a_size_is_verified_and_one_that_does_not_keep_up_is_an_error(tmp_path):
    script = tmp_path / "count.sql"
    script.write_text("""
        CREATE TABLE trips (dropoff_datetime TIMESTAMP_LTZ(3),
          WATERMARK FOR dropoff_datetime AS dropoff_datetime - INTERVAL '1' SECOND)
          WITH ('connector'='kinesis','stream'='trips','format'='json','json.timestamp-format.standard'='ISO-8601');
        CREATE TABLE counted (n BIGINT, ts TIMESTAMP_LTZ(3)) WITH ('connector'='blackhole');
        INSERT INTO counted SELECT COUNT(*), window_end
          FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;""")
    common = ("verify", script, "--rows", 4_000, "--time", 8)
    verified = json.loads(calibrate(*common, "--rate", 1_000, "--json").stdout)
    assert verified["keeps_up"] and [run["rate"] for run in verified["runs"]] == [1_000, 1_200], verified
    # A row is due every millisecond: a run over two seconds of them takes as long.
    assert all(1.5 < run["seconds"] < 6 for run in verified["runs"]), verified
    told = calibrate(*common, "--rate", 1_000).stdout
    assert told.count("keeps up") == 2 and "120 % of 1000" in told, told
    # No record has waited for less than nothing: the shortest wait that can be asked for is not kept at the engine's limit.
    assert "quota of 32 KPUs" in calibrate(*common, "--rate", 99_000_000, code=1).stderr
    missing = calibrate("verify", script, "--rate", 1_000, "--scratch", tmp_path / "none", code=1).stderr
    assert "name one with --scratch" in missing
