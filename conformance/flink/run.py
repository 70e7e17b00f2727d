"""The taxi application on a real Flink cluster, ordered from the platform as any other: created with boto3, read from the platform's
stream door and written to its search door by the connectors of the cluster, stopped with a snapshot, restored at another
parallelism, a worker killed, the platform killed. The results must be those of the files beside the trips, each time.

    .venv/bin/python conformance/flink/run.py target/release/hailstream [--only NAME]

Needs Java 17 and Maven; the cluster and its connectors are fetched once, as conformance/README.md tells.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "conformance")]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("binary")
parser.add_argument("--only", help="the name of one case")
ARGUMENTS = parser.parse_args()
os.environ["HAILSTREAM_BINARY"] = str(pathlib.Path(ARGUMENTS.binary).resolve())

from hailstream import SHARED, Platform, wait_for  # noqa: E402: it reads the variable
from object_store import ObjectStore  # noqa: E402
from recorder import cache, cluster as clusters, elasticsearch, flink  # noqa: E402
from trips import expected_of, results_of  # noqa: E402

SCRIPT = (ROOT / "examples" / "taxi" / "taxi.sql").read_text()
DATA = SHARED / "taxi-day"
ROLE = "arn:aws:iam::000000000000:role/taxi"
WAIT_S = 120
# A worker of Flink that reads two shards far behind their ends takes the rows of one for late that the other is ahead of: it has
# one watermark for both. With a shard for each subtask at most nothing is late.
SHARDS = 2


class Stand:
    """A cluster and a platform that knows it, with the stream and the trips."""

    def __init__(self, cluster, folder, functions, objects):
        self.cluster, self.folder, self.objects = cluster, folder, objects
        self.buckets = folder / "buckets"
        self.options = ["--flink", cluster.rest_url, "--flink-gateway", cluster.gateway_url, "--flink-functions", functions, "--unlimited",
                        "--code-buckets", str(self.buckets)]
        self.platform = Platform(folder, *self.options, environment=objects.environment)

    @property
    def analytics(self):
        return self.platform.client("kinesisanalyticsv2")

    def prepare(self):
        """The stream and its indices."""
        stack = self.folder / "stack.yaml"
        declared = (ROOT / "examples" / "taxi" / "stack.yaml").read_text()
        stack.write_text(declared[:declared.index("applications:")].replace("shards: 8", f"shards: {SHARDS}"))
        self.command("apply", str(stack), "--console", self.platform.addresses["console"])

    def replay(self, speedup="max"):
        """All trips, into the stream."""
        self.command("replay", str(DATA / "trips.ndjson.zst"), "--speedup", speedup, "--endpoint", self.platform.addresses["aws"])
        self.close_windows()

    def close_windows(self):
        """One record that is no trip, far ahead in time, for each shard: without it the last windows wait for more."""
        kinesis = self.platform.kinesis()
        for shard in kinesis.list_shards(StreamName="trips")["Shards"]:
            kinesis.put_record(StreamName="trips", PartitionKey="end", ExplicitHashKey=shard["HashKeyRange"]["StartingHashKey"],
                               Data=b'{"type": "end", "dropoff_datetime": "2099-01-01T00:00:00Z"}')

    def command(self, *arguments):
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([ARGUMENTS.binary, *arguments], check=True, env=os.environ | keys, **quiet)

    def create(self, parallelism, script=SCRIPT, name="taxi", client=None, runner="flink"):
        code = {"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": script}}
        self.create_of(code, {"Hailstream": {"runner": runner}}, parallelism, name, client)

    def create_program(self, jar, parallelism):
        """A program that counts trips, with what it asks for."""
        arn = self.platform.kinesis().describe_stream_summary(StreamName="trips")["StreamDescriptionSummary"]["StreamARN"]
        properties = {
            "Input": {"stream.arn": arn, "aws.region": "us-east-1", "aws.endpoint": self.platform.addresses["aws"],
                      "aws.trust.all.certificates": "true", "flink.stream.initpos": "TRIM_HORIZON", "aws.credentials.provider": "BASIC",
                      "aws.credentials.provider.basic.accesskeyid": "test", "aws.credentials.provider.basic.secretkey": "test"},
            "Output": {"address": self.platform.addresses["search"], "index": "pickup_count"}}
        self.create_of({"CodeContentType": "ZIPFILE", "CodeContent": {"ZipFileContent": jar}}, properties, parallelism)

    def create_of(self, code, properties, parallelism, name="taxi", client=None):
        groups = [{"PropertyGroupId": group, "PropertyMap": entries} for group, entries in properties.items()]
        (client or self.analytics).create_application(
            ApplicationName=name, RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
            ApplicationConfiguration={
                "ApplicationCodeConfiguration": code,
                "EnvironmentProperties": {"PropertyGroups": groups},
                "FlinkApplicationConfiguration": {
                    "CheckpointConfiguration": {"ConfigurationType": "CUSTOM", "CheckpointingEnabled": True, "CheckpointInterval": 1000,
                                                "MinPauseBetweenCheckpoints": 0},
                    "ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "Parallelism": parallelism, "ParallelismPerKPU": 1,
                                                 "AutoScalingEnabled": False}}})

    def start(self, **configuration):
        self.analytics.start_application(ApplicationName="taxi", RunConfiguration=configuration)
        self.await_status("RUNNING")

    def move(self, runner, *more):
        """Has another runner go on; the lines that are told."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        command = [ARGUMENTS.binary, "app", "move", "taxi", "--runner", runner, "--console", self.platform.addresses["console"], *more]
        done = subprocess.run(command, env=os.environ | keys, capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).splitlines()

    def runner(self):
        groups = self.detail()["ApplicationConfigurationDescription"].get("EnvironmentPropertyDescriptions", {}).get("PropertyGroupDescriptions", [])
        named = [group["PropertyMap"].get("runner") for group in groups if group["PropertyGroupId"] == "Hailstream"]
        return (named or ["embedded"])[0] or "embedded"

    def rescale(self, parallelism):
        """Another parallelism while it runs."""
        self.await_status("RUNNING")
        self.rescale_at_rest(parallelism)
        self.await_status("RUNNING")
        now = self.detail()["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"]["ParallelismConfigurationDescription"]
        assert now["CurrentParallelism"] == parallelism, now

    def detail(self):
        return self.analytics.describe_application(ApplicationName="taxi")["ApplicationDetail"]

    def await_status(self, status):
        try:
            wait_for(lambda: self.detail()["ApplicationStatus"] == status, f"the status {status}", WAIT_S)
        except AssertionError:
            sys.exit(f"it is {self.detail()['ApplicationStatus']} and not {status}:\n{self.platform.log_text()[-3000:]}")

    def jobs(self):
        """The jobs that the cluster runs."""
        jobs = clusters.ask(f"{self.cluster.rest_url}/jobs/overview")["jobs"]
        return [job["jid"] for job in jobs if job["state"] in ("RUNNING", "CREATED", "RESTARTING", "INITIALIZING")]

    def check(self, kinds=2):
        """Waits until the results are those that are expected: counts of pickups, and airport trips unless `kinds` is 1."""
        expected = expected_of(DATA / "expected_pickup_count.csv", DATA / "expected_trip_duration.csv")[:kinds]
        until = time.monotonic() + WAIT_S
        while (found := results_of(self.platform)[:kinds]) != expected:
            if time.monotonic() > until:
                sys.exit(f"{[len(rows) for rows in found]} rows of {[len(rows) for rows in expected]} are there, "
                         f"or not the right ones:\n{self.platform.log_text()[-3000:]}")
            time.sleep(0.5)

    def some_results(self):
        wait_for(lambda: len(results_of(self.platform)[0]) > 1_000, "the first results", WAIT_S)

    def snapshot(self, name):
        found = self.analytics.describe_application_snapshot(ApplicationName="taxi", SnapshotName=name)
        return found["SnapshotDetails"]["SnapshotStatus"]

    def stopped_under_way(self):
        """Started, and stopped with a snapshot `named` while trips come in; what replays them goes on."""
        self.start()
        replay = threading.Thread(target=self.replay, args=("3000",))
        replay.start()
        self.some_results()
        self.analytics.create_application_snapshot(ApplicationName="taxi", SnapshotName="named")
        wait_for(lambda: self.snapshot("named") == "READY", "the snapshot")
        self.analytics.stop_application(ApplicationName="taxi")
        self.await_status("READY")
        assert not self.jobs(), self.jobs()
        return replay

    def rescale_at_rest(self, parallelism):
        self.change({"FlinkApplicationConfigurationUpdate": {"ParallelismConfigurationUpdate": {
            "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": parallelism}}})

    def change(self, change):
        """Another version."""
        self.analytics.update_application(
            ApplicationName="taxi", CurrentApplicationVersionId=self.detail()["ApplicationVersionId"], ApplicationConfigurationUpdate=change)

    def sql_case(self, path):
        """Runs one recorded case as an application; what is not as it was recorded, in words."""
        name = f"{path.parent.name}.{path.name}"
        copy = flink.copied(path, self.folder)
        script = re.sub(r"('path'\s*=\s*')", rf"\1{copy}/", (copy / "case.sql").read_text())
        # An application runs one job: what a case inserts one after the other is put into one set.
        inserts = [found.start() for found in re.finditer(r"^INSERT INTO", script, re.MULTILINE)]
        if len(inserts) > 1 and "STATEMENT SET" not in script:
            begin = inserts[0]
            script = f"{script[:begin]}EXECUTE STATEMENT SET BEGIN\n{script[begin:].rstrip().rstrip(';')};\nEND;"
        outcome = self.outcome(name, script)
        (copy / "outcome.txt").write_text(outcome)
        recorded = path / "expected" / "error.txt"
        if recorded.exists():
            return "" if outcome != "ok" else f"{name}: it ran, and {recorded.read_text()}"
        if outcome != "ok":
            return f"{name}: {outcome}"
        differs = [table for table, rows in flink.sink_rows(copy).items()
                   if sorted((path / "expected" / f"{table}.ndjson").read_bytes().splitlines()) != rows]
        return f"{name}: {', '.join(differs)} differ" if differs else ""

    def outcome(self, name, script):
        """`ok`, or why it was refused or has failed."""
        client = self.platform.client("kinesisanalyticsv2")
        try:
            self.create(1, script, name, client)
        except client.exceptions.ClientError as error:
            return error.response["Error"]["Message"]
        client.start_application(ApplicationName=name, RunConfiguration={})
        view = lambda: self.platform.console(f"/api/application?application={name}")
        try:
            ended = wait_for(lambda: (now := view())["state"] in ("ready", "finished") and now or now["last_error"] and now, f"the end of {name}")
        except AssertionError as error:
            return str(error)
        outcome = ended["last_error"] or "ok"
        with contextlib.suppress(client.exceptions.ClientError):
            client.stop_application(ApplicationName=name, Force=True)
        return outcome

    def kill(self):
        """The platform dies, and another one begins at the same doors."""
        ports = {door: self.platform.addresses[door].rsplit(":", 1)[1] for door in ("aws", "search")}
        self.platform.end(signal.SIGKILL)
        self.platform = Platform(self.folder, *self.options, ports=ports)


def plain(stand):
    """From the first record to the last."""
    stand.prepare()
    stand.replay()
    stand.create(2)
    stand.start()
    stand.check()


def fan_out(stand):
    """The same by enhanced fan-out."""
    stand.prepare()
    stand.replay()
    options = "'scan.stream.recordpublisher' = 'EFO', 'scan.stream.efo.consumername' = 'taxi', "
    stand.create(2, SCRIPT.replace("'stream' = 'trips',", f"'stream' = 'trips', {options}"))
    stand.start()
    stand.check()


def troubled(stand):
    """Stopped with a snapshot, restored at another parallelism, rescaled in place, a worker killed, the platform killed."""
    stand.prepare()
    stand.create(2)
    replay = stand.stopped_under_way()
    stand.rescale_at_rest(4)
    stand.start(ApplicationRestoreConfiguration={"ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": "named"})
    before = stand.jobs()
    stand.rescale(3)
    assert stand.jobs() == before, "the same job, at another parallelism"
    stand.cluster.kill("taskmanager")
    stand.cluster.start_worker()
    replay.join()
    stand.kill()
    stand.await_status("RUNNING")
    assert len(stand.jobs()) == 1, "the job that the platform has left, and no other"
    stand.check()


def moved(stand):
    """Begun by the embedded engine, handed to the cluster and back while trips come in, and once to a cluster that has no worker."""
    stand.prepare()
    stand.create(2, runner="embedded")
    stand.start()
    replay = threading.Thread(target=stand.replay, args=("2000",))
    replay.start()
    stand.some_results()
    code, told = stand.move("flink", "--plan")
    assert code == 0 and any("table trips: records that arrived from" in line for line in told), told
    assert stand.runner() == "embedded" and not stand.jobs(), "a plan changes nothing"
    stand.cluster.kill("taskmanager")
    code, told = stand.move("flink")
    assert code != 0 and "the former version takes its place" in told[-1], told
    stand.await_status("RUNNING")
    assert stand.runner() == "embedded" and not stand.jobs(), told
    stand.cluster.start_worker()
    for runner, jobs in [("flink", 1), ("embedded", 0), ("flink", 1)]:
        before = len(results_of(stand.platform)[0])
        code, told = stand.move(runner)
        assert code == 0 and told[-1].startswith(f"Application taxi runs on {runner}"), told
        assert (stand.runner(), len(stand.jobs())) == (runner, jobs)
        if replay.is_alive():
            wait_for(lambda: len(results_of(stand.platform)[0]) > before or not replay.is_alive(), f"results of {runner}", WAIT_S)
    stand.kill()
    stand.await_status("RUNNING")
    replay.join()
    stand.check()


def jar(stand):
    """A program written against Flink's own API: from the bytes of its jar, then from a bucket; stopped with a snapshot, restored at
    another parallelism, rescaled, the platform killed, and nothing left on the cluster when it is deleted."""
    content = build("examples/trip-counter", "trip-counter.jar").read_bytes()
    stand.prepare()
    stand.create_program(content, 2)
    code = stand.detail()["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]
    told = {"CodeMD5": hashlib.md5(content).hexdigest(), "CodeSize": len(content)}
    assert (code["CodeContentType"], code["CodeContentDescription"]) == ("ZIPFILE", told), code
    plan = stand.platform.console("/api/application/explain?application=taxi")["plan"]
    assert "Source: trips" in plan and "TumblingEventTimeWindows" in plan, plan
    replay = stand.stopped_under_way()
    (stand.buckets / "code").mkdir(parents=True)
    (stand.buckets / "code" / "counter.jar").write_bytes(content)
    place = {"BucketARNUpdate": "arn:aws:s3:::code", "FileKeyUpdate": "counter.jar"}
    stand.change({"ApplicationCodeConfigurationUpdate": {"CodeContentUpdate": {"S3ContentLocationUpdate": place}}})
    stand.rescale_at_rest(4)
    stand.start(ApplicationRestoreConfiguration={"ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": "named"})
    before = stand.jobs()
    stand.rescale(3)
    assert stand.jobs() == before, "the same job, at another parallelism"
    replay.join()
    stand.kill()
    stand.await_status("RUNNING")
    assert stand.jobs() == before, "the job that the platform has left, and no other"
    stand.check(kinds=1)
    operators = stand.platform.console("/api/applications/view?application=taxi")["operators"]
    assert len(operators) >= 2 and any(operator["records_in_per_s"] is not None for operator in operators), operators
    created = stand.detail()["CreateTimestamp"]
    stand.analytics.delete_application(ApplicationName="taxi", CreateTimestamp=created)
    wait_for(lambda: not stand.jobs(), "the end of its job")
    wait_for(lambda: not clusters.ask(f"{stand.cluster.rest_url}/jars")["files"], "the end of what it had on the cluster")
    wait_for(lambda: not stand.analytics.list_applications()["ApplicationSummaries"], "the end of the application")


def examined(stand):
    """A cluster with all that is needed, which reaches the doors; and one that does not."""
    def look(*doors):
        done = subprocess.run([ARGUMENTS.binary, "doctor", *stand.options[:6], "--json", *doors], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.returncode, {line["what"]: line["health"] for line in map(json.loads, done.stdout.splitlines())}

    addresses = stand.platform.addresses
    code, found = look("--flink-stream-door", addresses["aws"], "--flink-search-door", addresses["search"])
    assert code == 0 and len(found) == 8 and set(found.values()) == {"good"}, found
    code, found = look("--flink-stream-door", "http://127.0.0.1:1", "--flink-search-door", "http://127.0.0.1:1")
    assert code == 1 and (found["stream door"], found["search door"]) == ("bad", "bad"), found


def sql_cases(stand):
    """Every recorded SQL case, each as an application on the cluster: the answers are those that were recorded."""
    paths = sorted(path.parent for path in (ROOT / "conformance" / "sql").glob("*/*/case.sql"))
    with concurrent.futures.ThreadPoolExecutor(4) as workers:
        told = [line for line in workers.map(stand.sql_case, paths) if line]
    print("\n".join(told), flush=True)
    assert not told, f"{len(told)} of {len(paths)} are not as they were recorded"
    print(f"{len(paths)} of {len(paths)} recorded SQL cases hold", flush=True)


def bucket(stand):
    """Objects are read and written by the same script on both runners, under the same address. The watermark waits for a day: Flink reads one
    file after the other, and would take rows of the second for late."""
    objects = stand.objects
    trips = [json.dumps({"id": n, "cab": f"cab {n % 37}", "paid": f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", "fare": n % 100})
             for n in range(20_000)]
    for part in range(3):
        objects.client.put_object(Bucket="kept", Key=f"trips/{part}.ndjson", Body="".join(line + "\n" for line in trips[part::3]).encode())
    for runner in ("embedded", "flink"):
        stand.create(2, BUCKET_SCRIPT.replace("{out}", runner), runner, runner=runner)
        stand.analytics.start_application(ApplicationName=runner, RunConfiguration={})
    counts = collections.Counter()
    for n in range(20_000):
        counts[f"cab {n % 37}", n // 60] += n % 100
    expected = sorted((f"2026-01-01 {minute // 60:02}:{minute % 60:02}:00Z", cab, fares) for (cab, minute), fares in counts.items())

    def written(runner):
        names = [name for name in objects.names() if name.startswith(runner + "/") and not name.rpartition("/")[2].startswith((".", "_"))]
        texts = [objects.client.get_object(Bucket="kept", Key=name)["Body"].read().decode() for name in names]
        return sorted((row["begins"], row["cab"], row["fares"]) for text in texts for row in map(json.loads, text.splitlines()))

    for runner in ("embedded", "flink"):
        wait_for(lambda: len(written(runner)) >= len(expected), f"the objects of {runner}", WAIT_S)
        assert written(runner) == expected, (runner, written(runner)[:3], expected[:3])


BUCKET_SCRIPT = """
CREATE TABLE trips (cab STRING, paid TIMESTAMP_LTZ(3), fare BIGINT, WATERMARK FOR paid AS paid - INTERVAL '1' DAY) WITH (
  'connector' = 'filesystem', 'path' = 's3://kept/trips', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE TABLE fares (begins TIMESTAMP_LTZ(3), cab STRING, fares BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 's3://kept/{out}', 'format' = 'json');
INSERT INTO fares SELECT CAST(window_start AS TIMESTAMP_LTZ(3)), cab, SUM(fare)
FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(paid), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, cab;
"""


def outside(stand):
    """Into a real Elasticsearch in place of the platform's own index."""
    with elasticsearch.node() as node:
        stand.prepare()
        stand.replay()
        stand.create(2, SCRIPT.replace("http://127.0.0.1:9200'", f"{node.address}', 'hailstream.index' = 'outside'"))
        stand.start()
        expected = expected_of(DATA / "expected_pickup_count.csv", DATA / "expected_trip_duration.csv")
        count = lambda: elasticsearch.ask(node.address, {"method": "GET", "path": "/pickup_count/_count"})["body"].get("count", 0)
        wait_for(lambda: count() >= len(expected[0]), "all cells", WAIT_S)
        # The last bulk of the other table may still be on its way.
        wait_for(lambda: rows_in(node) == expected, "the rows that are expected", WAIT_S)


def rows_in(node):
    """The results that stand in an Elasticsearch, as `results_of` gives those of a platform."""
    pickups = {(d["timestamp"], d["location"]): d["pickup_count"] for d in elasticsearch.documents(node.address, "pickup_count").values()}
    durations = {(d["timestamp"], d["location"], d["airport_code"]): (d["trip_count"], d["sum_trip_duration"], d["avg_trip_duration"])
                 for d in elasticsearch.documents(node.address, "trip_duration").values()}
    return pickups, durations


CASES = [examined, plain, fan_out, outside, troubled, moved, jar, bucket, sql_cases]


def main():
    functions = str(build("flink-functions", "hailstream-flink-functions.jar"))
    chosen = [case for case in CASES if ARGUMENTS.only in (None, case.__name__)]
    with contextlib.ExitStack() as stack:
        objects = ObjectStore(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "object-store.log")
        stack.callback(objects.close)
        reached = {"s3.endpoint": objects.wire.address, "s3.path.style.access": "true", "s3.access-key": "any", "s3.secret-key": "any"}
        cluster = stack.enter_context(clusters.started(slots=8, options=reached))
        for case in chosen:
            with tempfile.TemporaryDirectory(prefix="hailstream-on-flink-") as folder:
                began = time.monotonic()
                stand = Stand(cluster, pathlib.Path(folder), functions, objects)
                try:
                    case(stand)
                    with contextlib.suppress(Exception):
                        stand.analytics.stop_application(ApplicationName="taxi", Force=True)
                        stand.await_status("READY")
                finally:
                    stand.platform.end()
                    for job in stand.jobs():
                        clusters.ask(f"{cluster.rest_url}/jobs/{job}?mode=cancel", {}, "PATCH")
                print(f"{case.__name__}: equal, {time.monotonic() - began:.0f} s", flush=True)


def build(module, jar):
    """The jar of a module."""
    cache.need("mvn", f"to build {module}")
    cache.run(["mvn", "-q", "-B", "package"], cwd=ROOT / module)
    return ROOT / module / "target" / jar


if __name__ == "__main__":
    main()
