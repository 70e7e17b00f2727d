"""One platform reads the stream of another through its AWS door, signed: the embedded engine's own reach to Kinesis."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config

from hailstream import BINARY, wait_for

KEYS = '[[key]]\nid = "A"\nsecret = "hush-a"\nrole = "admin"\n[[key]]\nid = "V"\nsecret = "hush-v"\nrole = "viewer"\n'
USERS, BATCHES, BATCH = 20, 60, 150
SCRIPT = """
CREATE TABLE orders (k STRING, n BIGINT) WITH ('connector' = 'kinesis', 'stream' = '{stream}', 'format' = 'json',
  'aws.endpoint' = '{endpoint}', 'aws.region' = 'us-east-1', 'hailstream.stream' = 'outside', 'scan.stream.initpos' = 'TRIM_HORIZON',
  'aws.credentials.basic.accesskeyid' = '{id}', 'aws.credentials.basic.secretkey' = '{secret}' {more});
CREATE TABLE sums (k STRING, records BIGINT, total BIGINT, different BIGINT, PRIMARY KEY (k) NOT ENFORCED)
  WITH ('connector' = 'elasticsearch-7', 'hosts' = 'http://127.0.0.1:9200', 'index' = 'sums');
INSERT INTO sums SELECT k, COUNT(*), SUM(n), COUNT(DISTINCT n) FROM orders GROUP BY k;
"""
EFO = ", 'scan.stream.recordpublisher' = 'EFO', 'scan.stream.efo.consumername' = 'b'"


def aws(platform, service="kinesis", key="A"):
    return boto3.client(service, endpoint_url=platform.addresses["aws"], region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=f"hush-{key.lower()}", config=Config(retries={"max_attempts": 0}))


@pytest.fixture
def source(start, tmp_path):
    """A platform that asks for credentials, with a stream of two shards and the limits of the real service."""
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = start("--credentials", keys, name="source")
    kinesis = aws(platform)
    kinesis.create_stream(StreamName="orders", ShardCount=2)
    active(kinesis)
    return platform


def active(kinesis):
    wait_for(lambda: summary(kinesis)["StreamStatus"] == "ACTIVE", "the stream to be active")


def summary(kinesis):
    return kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]


def open_shards(kinesis):
    shards = kinesis.list_shards(StreamName="orders", ShardFilter={"Type": "AT_LATEST"})["Shards"]
    return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))


def create(platform, script, name="orders", **more):
    """Makes and starts an application that keeps checkpoints often; `more` says more of how Flink is to run."""
    service = platform.client("kinesisanalyticsv2")
    checkpoints = {"ConfigurationType": "CUSTOM", "CheckpointInterval": 300, "MinPauseBetweenCheckpoints": 0}
    service.create_application(
        ApplicationName=name, RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole="arn:aws:iam::123456789123:role/r",
        ApplicationConfiguration={
            "ApplicationCodeConfiguration": {"CodeContent": {"TextContent": script}, "CodeContentType": "PLAINTEXT"},
            "FlinkApplicationConfiguration": {"CheckpointConfiguration": checkpoints, **more}})
    service.start_application(ApplicationName=name, RunConfiguration={})


def script(platform, stream="orders", id="A", secret="hush-a", more=""):
    return SCRIPT.format(endpoint=platform.addresses["aws"], stream=stream, id=id, secret=secret, more=more)


class Writer(threading.Thread):
    """Puts records, again what was refused, and knows what must come of them."""

    def __init__(self, kinesis):
        super().__init__(daemon=True)
        self.kinesis, self.sums, self.error = kinesis, {}, None

    def run(self):
        try:
            for batch in range(BATCHES):
                self.put([(f"user-{n % USERS}", batch * BATCH + n) for n in range(BATCH)])
                time.sleep(0.2)
        except Exception as error:
            self.error = error

    def put(self, rows):
        left = [{"Data": json.dumps({"k": k, "n": n}).encode(), "PartitionKey": k} for k, n in rows]
        while left:
            results = self.kinesis.put_records(StreamName="orders", Records=left)["Records"]
            left = [record for record, result in zip(left, results) if result.get("ErrorCode")]
            if left:
                time.sleep(0.1)
        for k, n in rows:
            records, total = self.sums.get(k, (0, 0))
            self.sums[k] = (records + 1, total + n)


def sums(platform):
    search = platform.search()
    if not search.indices.exists(index="sums"):
        return {}
    search.indices.refresh(index="sums")
    hits = search.search(index="sums", size=USERS)["hits"]["hits"]
    assert all(hit["_source"]["records"] == hit["_source"]["different"] for hit in hits), hits
    return {hit["_source"]["k"]: (hit["_source"]["records"], hit["_source"]["total"]) for hit in hits}


def counted(platform):
    return sum(records for records, _ in sums(platform).values())


def figures(platform):
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics", timeout=60) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("more", ["", EFO], ids=["polling", "fan-out"])
def test_a_stream_elsewhere_is_counted_exactly_through_reshards_and_kills(start, source, more):
    kinesis = aws(source)
    reader = start(name="reader")
    create(reader, script(source, more=more))
    writer = Writer(kinesis)
    writer.start()
    wait_for(lambda: counted(reader) > 0, "the first counts")

    first = open_shards(kinesis)[0]["HashKeyRange"]
    middle = (int(first["StartingHashKey"]) + int(first["EndingHashKey"])) // 2
    kinesis.split_shard(StreamName="orders", ShardToSplit=open_shards(kinesis)[0]["ShardId"], NewStartingHashKey=str(middle))
    reader.end(signal.SIGKILL)
    active(kinesis)
    # While nobody reads, two shards become one as well.
    ids = [shard["ShardId"] for shard in open_shards(kinesis)]
    assert len(ids) == 3
    kinesis.merge_shards(StreamName="orders", ShardToMerge=ids[1], AdjacentShardToMerge=ids[2])
    active(kinesis)
    reader = start(name="reader")
    before = counted(reader)
    wait_for(lambda: counted(reader) > before, "the counts to go on")
    assert writer.is_alive(), "it is killed while records come"
    reader.end(signal.SIGKILL)
    reader = start(name="reader")

    writer.join(timeout=120)
    assert not writer.is_alive() and writer.error is None, writer.error
    assert sum(records for records, _ in writer.sums.values()) == BATCHES * BATCH
    wait_for(lambda: sums(reader) == writer.sums, "all of it to be counted", seconds=60)
    # Nothing comes twice afterwards either.
    time.sleep(1)
    assert sums(reader) == writer.sums

    def places():
        told = subprocess.run([BINARY, "app", "state", "orders", "--json", "--data-dir", reader.data_dir / "data"],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        splits = {split["name"]: split for split in json.loads(told)["sources"][0]["splits"]}
        done = sum(split["ended"] for split in splits.values()) == 3
        return splits if done and sum(split["position"] for split in splits.values()) == BATCHES * BATCH else None

    splits = wait_for(places, "a checkpoint that holds all of it")
    assert sorted(splits) == [f"orders, shardId-{number:012}" for number in range(5)]
    assert all(split["mark"].startswith("AFTER_SEQUENCE_NUMBER 49") for split in splits.values() if split["position"]), splits
    assert re.search(r"^hailstream_application_behind_latest_ms\S* 0$", figures(reader), re.MULTILINE)
    consumers = kinesis.list_stream_consumers(StreamARN=summary(kinesis)["StreamARN"])["Consumers"]
    assert [consumer["ConsumerName"] for consumer in consumers] == (["b"] if more else [])


def test_what_stands_against_reading_is_told(start, source):
    reader = start(name="reader")
    service = reader.client("kinesisanalyticsv2")

    def last_error(name):
        listed = reader.console("/api/applications")["applications"]
        return next((view["last_error"] for view in listed if view["name"] == name and view.get("last_error")), None)

    for name, options, told in (
            ("nothing", {"stream": "none"}, "ResourceNotFoundException"),
            ("nobody", {"secret": "hush-x"}, "check the key, its secret"),
            ("unknown", {"id": "Z"}, "check the key, its secret")):
        create(reader, script(source, **options), name=name)
        error = wait_for(lambda: last_error(name), "the reason")
        assert "table orders" in error and told in error and "hush" not in error, error
        service.stop_application(ApplicationName=name, Force=True)
    with pytest.raises(Exception, match="ASSUME_ROLE"):
        create(reader, script(source, more=", 'aws.credentials.provider' = 'ASSUME_ROLE'"), name="other")


def test_a_key_of_the_environment_reads_over_tls_whom_the_system_trusts(start, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    source = start("--credentials", keys, "--tls", "required", name="source")
    assert source.addresses["aws"].startswith("https://")
    certificate = source.data_dir / "data" / "tls" / "cert.pem"
    kinesis = boto3.client("kinesis", endpoint_url=source.addresses["aws"], region_name="us-east-1", aws_access_key_id="A",
                           aws_secret_access_key="hush-a", verify=str(certificate))
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    active(kinesis)
    writer = Writer(kinesis)
    writer.put([("user-1", 1), ("user-2", 2)])
    table = script(source).split(";")[0].replace("'aws.credentials.basic.accesskeyid' = 'A', ", "")
    table = table.replace("'aws.credentials.basic.secretkey' = 'hush-a'", "'aws.credentials.provider' = 'ENV_VAR'")
    query = table + "; SELECT k, n FROM orders"

    def sql(environment, more=""):
        command = [BINARY, "sql", "-e", query.replace("ENV_VAR'", f"ENV_VAR'{more}")]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=os.environ | {"HOME": str(tmp_path)} | environment)

    key = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "hush-a"}
    for environment, more in ((key | {"SSL_CERT_FILE": str(certificate)}, ""), (key, ", 'aws.trust.all.certificates' = 'true'")):
        running = sql(environment, more)
        # Nobody waits for ever for rows that do not come.
        guard = threading.Timer(60, running.kill)
        guard.start()
        rows = [running.stdout.readline() for _ in range(2)]
        guard.cancel()
        running.kill()
        _, errors = running.communicate()
        assert all(rows), errors
        assert [json.loads(row) for row in rows] == [{"k": "user-1", "n": 1}, {"k": "user-2", "n": 2}]
    for environment, told in (({"SSL_CERT_FILE": str(certificate)}, "no AWS_ACCESS_KEY_ID"), (key, "certificate")):
        _, errors = (running := sql(environment)).communicate(timeout=90)
        assert running.returncode == 1 and told in errors, errors


def test_an_application_waits_while_the_stream_is_away(start, source, tmp_path):
    kinesis, port = aws(source), int(source.addresses["aws"].rsplit(":", 1)[1])
    reader = start(name="reader")
    create(reader, script(source))
    writer = Writer(kinesis)
    writer.put([("user-1", 1), ("user-2", 2)])
    wait_for(lambda: sums(reader) == writer.sums, "the first counts")
    source.end(signal.SIGKILL)
    wait_for(lambda: "a call failed and is made again" in reader.log_text(), "a failure to be seen")
    source = start("--credentials", tmp_path / "keys.toml", name="source", ports={"aws": port})
    writer.kinesis = aws(source)
    writer.put([("user-1", 10)])
    wait_for(lambda: sums(reader) == writer.sums, "the counts to go on")
    assert reader.console("/api/pipeline")["application"]["restarts"] == 0
