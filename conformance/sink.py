#!/usr/bin/env python3
"""Results written into a real Elasticsearch 7.10.2: by `hailstream sql` and by a platform, with the node killed by SIGKILL in
the middle and started again with its data; what stands in its indices afterwards must be what was computed without us.

    python3 conformance/sink.py target/release/hailstream [--only NAME] [--trips FILE --expected FOLDER]

Needs Java 17 and Maven. The trips are those of ../shared/data/taxi-day where they stand beside the repository, else generated ones,
whose results an independent program computes.
"""

import argparse
import collections
import csv
import datetime
import functools
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from recorder import elasticsearch, waiting

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "taxi-day"
WAIT_S = 300
wait_for = functools.partial(waiting.wait_for, seconds=WAIT_S)
# How long the node is away, beside the time that it takes to start.
AWAY_S = 3


def differ(what, actual, expected):
    """Ends with a few of the differences where there are any."""
    if actual == expected:
        return
    wrong = [(k, v, expected.get(k)) for k, v in actual.items() if expected.get(k) != v][:5]
    missing = [k for k in expected if k not in actual][:5]
    raise SystemExit(f"sink.py: {what}: {len(actual)} documents, {len(expected)} expected; wrong {wrong}, missing {missing}")


class World:
    """A node, a binary, some trips with what must come of them, and a folder for the rest."""

    def __init__(self, node, binary, trips, expected, folder):
        self.node, self.binary, self.trips, self.folder = node, str(binary), trips, folder
        with open(expected / "expected_pickup_count.csv", newline="") as file:
            self.pickups = {f"{r['timestamp']}_{r['location']}": int(r["pickup_count"]) for r in csv.DictReader(file)}
        with open(expected / "expected_trip_duration.csv", newline="") as file:
            self.durations = {
                f"{r['timestamp']}_{r['location']}_{r['airport_code']}":
                    (int(r["trip_count"]), int(r["sum_trip_duration"]), float(r["avg_trip_duration"]))
                for r in csv.DictReader(file)}

    def ask(self, method, path, body=None):
        do = {"method": method, "path": path} | ({"body": body} if body is not None else {})
        return elasticsearch.ask(self.node.address, do)

    def begin(self):
        """An empty cluster."""
        self.ask("DELETE", "/_all")

    def count(self, index):
        with_answer = self.ask("GET", f"/{index}/_count")
        return with_answer["body"]["count"] if with_answer["status"] == 200 else 0

    def documents(self, index):
        """All documents, by index and id."""
        return elasticsearch.documents(self.node.address, index)

    def sql(self, script, name):
        """Begins to run a script."""
        path = self.folder / f"{name}.sql"
        path.write_text(script)
        with open(self.folder / f"{name}.log", "wb") as log:
            return subprocess.Popen([self.binary, "sql", "--json", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def ended(self, process, name, code=0):
        if process.wait(WAIT_S) != code:
            raise SystemExit(f"sink.py: {name} ended with {process.returncode}:\n{self.log(name)[-3000:]}")

    def crash(self):
        """Kills the node and starts it again with its data."""
        self.node.kill()
        time.sleep(AWAY_S)
        self.node.start()

    def check_trips(self):
        pickups = {key[1]: d["pickup_count"] for key, d in self.documents("pickup_count").items()}
        differ("pickup_count", pickups, self.pickups)
        durations = {key[1]: (d["trip_count"], d["sum_trip_duration"], d["avg_trip_duration"])
                     for key, d in self.documents("trip_duration").items()}
        differ("trip_duration", durations, self.durations)
        return f"{len(pickups)} + {len(durations)} documents as expected"


def taxi(world, source):
    """The taxi example with another source and the node as its sink."""
    script = (ROOT / "examples" / "taxi" / "taxi.sql").read_text()
    begin, end = script.index("WITH ("), script.index("CREATE TABLE pickup_count")
    script = script if source is None else script[:begin] + f"WITH ({source});\n\n" + script[end:]
    return script.replace("http://127.0.0.1:9200'", f"{world.node.address}', 'hailstream.index' = 'outside'")


def case_sql(world):
    """A script over a file; the node is killed when some of the results are there."""
    source = f"'connector' = 'filesystem', 'path' = '{world.trips}', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
    # Alone it would be done before anybody could kill anything: small bulks take their time.
    script = taxi(world, source).replace("'hailstream.index' = 'outside'", "'sink.bulk-flush.max-actions' = '100'")
    job = world.sql(script, "sql")
    wait_for(lambda: world.count("pickup_count") > len(world.pickups) // 10 or job.poll() is not None, "the first results")
    running = job.poll() is None
    world.crash()
    world.ended(job, "sql")
    assert running, "the script had ended before the node was killed"
    assert "a bulk is sent again" in world.log("sql"), "nobody had to wait for the node"
    return world.check_trips()


def case_platform(world):
    """A platform that reads a stream; the node is killed in the middle, and the platform after that."""
    folder = world.folder / "platform"
    folder.mkdir()
    (folder / "taxi.sql").write_text(taxi(world, None))
    (folder / "stack.yaml").write_text(
        "streams:\n  - {name: trips, shards: 4}\napplications:\n  - {name: taxi, script: taxi.sql, parallelism: 2}\n")
    addresses, log = folder / "addresses.json", open(world.folder / "platform.log", "ab")

    def serve():
        addresses.unlink(missing_ok=True)
        process = subprocess.Popen(
            [world.binary, "serve", "--data-dir", folder / "data", "--aws-port", "0", "--search-port", "0", "--console-port", "0",
             "--unlimited", "--addresses-file", addresses], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: addresses.exists() or process.poll() is not None, "the platform")
        return process, json.loads(addresses.read_text())

    platform, doors = serve()
    try:
        run = [world.binary, "apply", folder / "stack.yaml", "--console", doors["console"]]
        subprocess.run(run, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        replay = [world.binary, "replay", world.trips, "--endpoint", doors["aws"], "--speedup", "max"]
        replay = subprocess.Popen(replay, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: world.count("pickup_count") > len(world.pickups) // 20, "the first results")
        world.crash()
        wait_for(lambda: world.count("pickup_count") > len(world.pickups) // 5, "results after the node was killed")
        if replay.wait(WAIT_S) != 0:
            raise SystemExit(f"sink.py: the replay ended with {replay.returncode}:\n{world.log('platform')[-3000:]}")
        platform.send_signal(signal.SIGKILL)
        platform.wait()
        platform, doors = serve()
        wait_for(lambda: world.count("pickup_count") >= len(world.pickups), "all cells")
        wait_for(lambda: world.count("trip_duration") >= len(world.durations), "all airport trips")
        told = world.check_trips()
        assert "a bulk is sent again" in world.log("platform"), "nobody had to wait for the node"
        own = urllib.request.urlopen(doors["search"] + "/_cat/indices?h=index", timeout=30).read().decode()
        assert "pickup_count" not in own, f"results went into the platform's own index: {own}"
        return told
    finally:
        platform.kill()
        platform.wait()
        log.close()


def case_changes(world):
    """Groups whose rows change and go away: the last state of each stands, and what was taken back is gone."""
    rows = [{"k": f"k {n * 7919 % 500}", "v": n * 31 % 97} for n in range(60_000)]
    path = world.folder / "changes.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sums = collections.Counter()
    for row in rows:
        sums[row["k"]] += row["v"]
    expected = {k: {"k": k, "n": 120, "s": s} for k, s in sums.items() if s % 3 != 0}
    job = world.sql(f"""
        CREATE TABLE events (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
        CREATE TABLE sums (k STRING, n BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'opensearch',
          'hosts' = 'http://127.0.0.1:1;{world.node.address}', 'index' = 'sums', 'sink.bulk-flush.max-actions' = '2');
        INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM events GROUP BY k HAVING MOD(SUM(v), 3) <> 0;""", "changes")
    wait_for(lambda: world.count("sums") > 10 or job.poll() is not None, "the first sums")
    running = job.poll() is None
    world.crash()
    world.ended(job, "changes")
    assert running, "the script had ended before the node was killed"
    actual = {key[1]: document for key, document in world.documents("sums").items()}
    differ("sums", actual, expected)
    assert 0 < len(expected) < len(sums), "some groups must go away and some stay"
    return f"{len(actual)} of {len(sums)} groups stand"


def case_appends(world):
    """Rows without a key into an index for each day: each is there once where nothing fails."""
    start = datetime.datetime(2016, 1, 5, 12, tzinfo=datetime.timezone.utc)
    times = [(start + datetime.timedelta(seconds=37 * n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(5_000)]
    path = world.folder / "appends.ndjson"
    path.write_text("".join(json.dumps({"at": at, "n": n}) + "\n" for n, at in enumerate(times)))
    job = world.sql(f"""
        CREATE TABLE events (`at` TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json',
          'json.timestamp-format.standard' = 'ISO-8601');
        CREATE TABLE days (`at` TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'elasticsearch-7',
          'hosts' = '{world.node.address}', 'index' = 'events-{{at|yyyy.MM.dd}}');
        INSERT INTO days SELECT `at`, n FROM events;""", "appends")
    world.ended(job, "appends")
    actual = collections.Counter((key[0], d["n"], d["at"]) for key, d in world.documents("events-*").items())
    expected = collections.Counter((f"events-{at[:10].replace('-', '.')}", n, at) for n, at in enumerate(times))
    differ("events", actual, expected)
    return f"{len(actual)} rows in {len({key[0] for key in actual})} indices"


def case_refused(world):
    """A row that does not fit fails the job by name, or is left out where that is wanted."""
    world.ask("PUT", "/fits", {"mappings": {"properties": {"v": {"type": "long"}}}})
    script = f"""
        CREATE TABLE fits (k STRING, v STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'elasticsearch-7',
          'hosts' = '{world.node.address}', 'index' = 'fits', 'failure-handler' = 'HANDLER');
        INSERT INTO fits VALUES ('one', '1'), ('two', 'second'), ('three', '3');"""
    world.ended(world.sql(script.replace("HANDLER", "fail"), "refused"), "refused", code=1)
    for word in ("table fits", "index fits", "id two", "mapper_parsing_exception", "(400)"):
        assert word in world.log("refused"), world.log("refused")
    world.ended(world.sql(script.replace("HANDLER", "ignore"), "ignored"), "ignored")
    actual = {key[1]: d["v"] for key, d in world.documents("fits").items()}
    differ("fits", actual, {"one": "1", "three": "3"})
    return "told by index, id, type and reason; left out where wanted"


CASES = {name.removeprefix("case_"): case for name, case in list(globals().items()) if name.startswith("case_")}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--only", choices=CASES, help="one case")
    parser.add_argument("--trips", type=pathlib.Path, help="trips (NDJSON; plain, gz or zst)")
    parser.add_argument("--expected", type=pathlib.Path, help="folder of what must come of them, as examples/taxi/check.py writes it")
    given = parser.parse_args()
    if (given.trips is None) != (given.expected is None):
        parser.error("--trips and --expected belong together")
    return given


def trips_of(given, folder):
    """Trips, and the folder of what must come of them."""
    if given.trips:
        return given.trips.resolve(), given.expected
    if SHARED.is_dir():
        return SHARED / "trips.ndjson.zst", SHARED
    trips = folder / "trips.ndjson"
    with open(trips, "wb") as out:
        subprocess.run([given.binary, "replay", "--print", "--count", "300000", "--seed", "7"], stdout=out, check=True)
    subprocess.run([sys.executable, ROOT / "examples" / "taxi" / "check.py", trips, folder], check=True)
    return trips, folder


def main():
    given = arguments()
    given.binary = given.binary.resolve()
    with tempfile.TemporaryDirectory(prefix="hailstream-sink-") as folder, elasticsearch.node() as node:
        folder = pathlib.Path(folder)
        world = World(node, given.binary, *trips_of(given, folder), folder)
        for name, case in CASES.items():
            if given.only in (None, name):
                world.begin()
                begun = time.monotonic()
                print(f"{name}: {case(world)} ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
