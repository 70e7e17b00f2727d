"""`filesystem` tables in an object store: read and written by scripts and applications, through kills and a store that goes away."""

import collections
import gzip
import json
import os
import signal
import subprocess
import time

import pytest
from elasticsearch import helpers

from hailstream import BINARY, wait_for
from object_store import ObjectStore
from test_kinesis_outside import create

FORMAT = "'connector' = 'filesystem', 'format' = 'json'"
KEYS = 20
TWO = {"ConfigurationType": "CUSTOM", "Parallelism": 2, "AutoScalingEnabled": False}


@pytest.fixture
def objects(tmp_path):
    store = ObjectStore(tmp_path / "object-store.log")
    yield store
    store.close()


def put(objects, key, rows, pack=bytes):
    objects.client.put_object(Bucket="kept", Key=key, Body=pack("".join(json.dumps(row) + "\n" for row in rows).encode()))


def rows_of(objects, prefix):
    """The rows that stand below a prefix, as any reader sees them: hidden objects are passed over."""
    names = [name for name in objects.names() if name.startswith(prefix) and not name.rsplit("/", 1)[-1].startswith(".")]
    return [json.loads(line) for name in names
            for line in objects.client.get_object(Bucket="kept", Key=name)["Body"].read().decode().splitlines()]


def hidden(objects):
    return [name for name in objects.names() if name.rsplit("/", 1)[-1].startswith(".")]


def sql(objects, script, **environment):
    command = [BINARY, "sql", "-e", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | objects.environment | environment)


def test_a_script_reads_joins_and_writes_objects(objects):
    rows = [{"k": f"k{n % KEYS}", "n": n} for n in range(6_000)]
    put(objects, "in/a.ndjson", rows[:2_000])
    put(objects, "in/deep/b.ndjson.gz", rows[2_000:], gzip.compress)
    put(objects, "in/_SUCCESS", [{"k": "never", "n": 1}])
    put(objects, "names.ndjson", [{"k": f"k{n}", "name": f"name {n}"} for n in range(KEYS)])
    done = sql(objects, f"""
        CREATE TABLE orders (k STRING, n BIGINT, seen AS PROCTIME()) WITH ({FORMAT}, 'path' = 's3://kept/in');
        CREATE TABLE names (k STRING, name STRING) WITH ({FORMAT}, 'path' = 's3a://kept/names.ndjson');
        CREATE TABLE found (name STRING, n BIGINT) WITH ({FORMAT}, 'path' = 's3://kept/out/', 'sink.rolling-policy.file-size' = '16kb');
        INSERT INTO found SELECT names.name, o.n FROM orders AS o JOIN names FOR SYSTEM_TIME AS OF o.seen ON names.k = o.k;
    """)
    assert done.returncode == 0, done.stderr
    written = rows_of(objects, "out/")
    assert sorted((row["name"], row["n"]) for row in written) == sorted((f"name {n % KEYS}", n) for n in range(6_000))
    assert len([name for name in objects.names() if name.startswith("out/")]) > 5, "parts are cut at their size"
    assert not hidden(objects)


@pytest.mark.parametrize("path, environment, told", [
    ("s3://kept/none", {}, "s3://kept/none: there is no object of this name, or below it"),
    ("s3://nobody/x", {}, "s3://nobody/x"),
    ("s3://", {}, "names no bucket"),
    ("gs://kept/x", {}, "no files are reached by 'gs'; known: s3, s3a, s3p, file"),
    ("s3://kept/x", {"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY"),
    ("s3://kept/x", {"AWS_ENDPOINT_URL_S3": "localhost"}, "is no address of an object store"),
])
def test_what_cannot_be_read_is_told(objects, path, environment, told):
    done = sql(objects, f"CREATE TABLE t (n BIGINT) WITH ({FORMAT}, 'path' = '{path}'); SELECT n FROM t;", **environment)
    assert done.returncode == 1 and told in done.stderr, done.stderr


def test_a_bucket_that_is_not_there_is_told_before_rows_are_taken(objects):
    done = sql(objects, f"CREATE TABLE t (n BIGINT) WITH ({FORMAT}, 'path' = 's3://nobody/x'); INSERT INTO t VALUES (1);")
    assert done.returncode == 1 and "no such bucket" in done.stderr, done.stderr


def test_each_record_is_written_once_through_kills_and_a_store_that_goes_away(start, objects):
    platform = start("--unlimited", environment=objects.environment)
    ports = {door: platform.addresses[door].rsplit(":", 1)[1] for door in ("aws", "search", "console")}
    platform.kinesis().create_stream(StreamName="orders", ShardCount=2)
    platform.kinesis().get_waiter("stream_exists").wait(StreamName="orders")
    create(platform, f"""
        CREATE TABLE orders (k STRING, n BIGINT) WITH ('connector' = 'kinesis', 'stream' = 'orders', 'format' = 'json',
          'scan.stream.initpos' = 'TRIM_HORIZON');
        CREATE TABLE kept (k STRING, n BIGINT) WITH ({FORMAT}, 'path' = 's3://kept/out');
        INSERT INTO kept SELECT k, n FROM orders;
    """, ParallelismConfiguration=TWO)
    sent, seen = 0, set()

    def feed(batches):
        nonlocal sent
        for _ in range(batches):
            records = [{"Data": json.dumps({"k": f"k{n % KEYS}", "n": n}), "PartitionKey": str(n)} for n in range(sent, sent + 200)]
            assert platform.kinesis().put_records(StreamName="orders", Records=records)["FailedRecordCount"] == 0
            sent += 200
            time.sleep(0.05)

    def look():
        """What was seen once stays as it is."""
        now = {name for name in objects.names() if name.startswith("out/part-")}
        assert seen <= now, seen - now
        seen.update(now)
        return rows_of(objects, "out/")

    feed(20)
    wait_for(look, "the first rows")
    for fault in ("kill", "cut", "kill"):
        feed(10)
        if fault == "kill":
            platform.end(signal.SIGKILL)
            look()
            platform = start("--unlimited", environment=objects.environment, ports=ports)
        else:
            objects.wire.cut()
            feed(10)
            state = lambda: platform.console("/api/pipeline?application=orders")["application"]
            wait_for(lambda: state()["last_error"], "the writer to fail")
            assert "s3://kept/out" in state()["last_error"], state()
            objects.wire.mend()
        feed(10)
        look()
    wait_for(lambda: len(look()) >= sent, "all rows")
    assert collections.Counter(row["n"] for row in look()) == collections.Counter(range(sent))
    service = platform.client("kinesisanalyticsv2")
    service.stop_application(ApplicationName="orders")
    wait_for(lambda: service.describe_application(ApplicationName="orders")["ApplicationDetail"]["ApplicationStatus"] == "READY", "the stop")
    assert len(look()) == sent
    # Starting anew clears what the kills have left behind.
    service.start_application(ApplicationName="orders", RunConfiguration={})
    wait_for(lambda: not hidden(objects), "leftovers to go")
    assert platform.end() == 0, platform.log_text()


def test_objects_are_read_on_where_a_kill_has_left_them(start, objects):
    count, files = 120_000, 3
    for file in range(files):
        # More than is held of an object at a time, so that reading meets the store again and again.
        rows = [{"k": f"k{n % KEYS}", "n": n, "more": "x" * 300} for n in range(file * count // files, (file + 1) * count // files)]
        put(objects, f"in/{file}.ndjson" + (".gz" if file == 2 else ""), rows, gzip.compress if file == 2 else bytes)
    options = ("--kpu-records-per-s", 20_000)
    platform = start(*options, environment=objects.environment)
    ports = {door: platform.addresses[door].rsplit(":", 1)[1] for door in ("aws", "search", "console")}
    create(platform, f"""
        CREATE TABLE orders (k STRING, n BIGINT) WITH ({FORMAT}, 'path' = 's3://kept/in');
        CREATE TABLE sums (k STRING, records BIGINT, total BIGINT, different BIGINT, PRIMARY KEY (k) NOT ENFORCED)
          WITH ('connector' = 'elasticsearch-7', 'hosts' = 'http://127.0.0.1:9200', 'index' = 'sums');
        INSERT INTO sums SELECT k, COUNT(*), SUM(n), COUNT(DISTINCT n) FROM orders GROUP BY k;
    """, ParallelismConfiguration=TWO)

    def sums():
        search = platform.search()
        if not search.indices.exists(index="sums"):
            return {}
        search.indices.refresh(index="sums")
        return {hit["_source"]["k"]: hit["_source"] for hit in helpers.scan(search, index="sums")}

    def read():
        return sum(entry["records"] for entry in sums().values())

    wait_for(lambda: read() > count // 10, "some rows")
    platform.end(signal.SIGKILL)
    platform = start(*options, environment=objects.environment, ports=ports)
    before = read()
    assert before < count, "the kill came too late to show anything"
    wait_for(lambda: read() > before, "reading to go on")
    objects.wire.cut()
    wait_for(lambda: platform.console("/api/pipeline?application=orders")["application"]["last_error"], "the reader to fail")
    objects.wire.mend()
    wait_for(lambda: read() >= count, "all rows")
    numbers = collections.defaultdict(list)
    for n in range(count):
        numbers[f"k{n % KEYS}"].append(n)
    expected = {k: {"k": k, "records": len(of), "total": sum(of), "different": len(of)} for k, of in numbers.items()}
    assert sums() == expected
    assert platform.end() == 0, platform.log_text()
