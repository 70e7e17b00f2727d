"""`hailstream stream` against a running platform: each of its commands, its JSON, and what goes wrong."""

import gzip
import json
import os
import subprocess
import threading
import time

import pytest

from hailstream import BINARY, wait_for


@pytest.fixture
def platform(start):
    return start()


class Command:
    def __init__(self, platform, env=None):
        self.endpoint = platform.addresses["aws"]
        self.env = {**os.environ, "AWS_ENDPOINT_URL": self.endpoint, **(env or {})}

    def start(self, *args):
        return subprocess.Popen(
            [BINARY, "stream", *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=self.env)

    def run(self, *args, stdin="", code=0):
        process = self.start(*args)
        out, err = process.communicate(stdin, timeout=120)
        assert process.returncode == code, (process.returncode, out, err)
        return out if code == 0 else err

    def json(self, *args, **more):
        return [json.loads(line) for line in self.run("--json", *args, **more).splitlines()]


@pytest.fixture
def command(platform):
    return Command(platform)


def test_a_stream_is_made_described_filled_read_and_deleted(command):
    (made,) = command.json("create", "trips", "--shards", 2, "--tag", "team=night")
    assert (made["name"], made["open_shards"], made["status"]) == ("trips", 2, "ACTIVE")
    assert [one["name"] for one in command.json("list")[0]] == ["trips"]
    assert "trips" in command.run("list")
    assert "2 open, 2 in all" in command.run("describe", "trips")
    lines = [json.dumps({"id": i, "cab": f"c{i % 5}", "type": "pickup" if i % 2 else "drop"}) for i in range(1_200)]
    (put,) = command.json("put", "trips", "--file", "-", "--key-field", "cab", stdin="\n".join(lines) + "\n\n")
    assert put == {"stored": 1_200, "retried": 0}
    read = command.json("tail", "trips")
    assert sorted(record["data"]["id"] for record in read) == list(range(1_200))
    for cab in {record["key"] for record in read}:
        ids = [record["data"]["id"] for record in read if record["key"] == cab]
        assert ids == sorted(ids), "the order of a key is kept"
    assert len(command.json("tail", "trips", "--filter", "type=pickup")) == 600
    assert len(command.run("tail", "trips", "--filter", '"id": 11', "-n", 3).splitlines()) == 3
    (kept,) = command.json("retention", "trips", "--hours", 48)
    assert (kept["before"], kept["retention_hours"]) == (24, 48)
    assert "--yes" in command.run("delete", "trips", code=1)
    command.run("delete", "trips", "--yes")
    assert "trips" in command.run("describe", "trips", code=3)


def test_what_is_not_text_is_shown_all_the_same(command, platform):
    command.run("create", "odd", "--shards", 1)
    kinesis = platform.kinesis()
    for data in [gzip.compress(b'{"a": 1}'), b"\xff\x00", b"plain"]:
        kinesis.put_record(StreamName="odd", Data=data, PartitionKey="k")
    assert command.run("tail", "odd").splitlines() == ['{"a": 1}', "0xff00", "plain"]
    assert [record["data"] for record in command.json("tail", "odd")] == [{"a": 1}, {"hex": "ff00"}, "plain"]


def test_a_follower_loses_nothing_through_a_reshard(command):
    command.run("create", "s", "--shards", 1)
    follower = command.start("--json", "tail", "s", "--follow", "-n", 400)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(json.loads(line) for line in follower.stdout))
    reader.start()
    command.run("put", "s", "--key", "k", *(str(i) for i in range(100)))
    command.run("scale", "s", "--by", 3)
    command.run("put", "s", "--key", "k", *(str(i) for i in range(100, 200)))
    command.run("scale", "s", "--to", 3)
    command.run("put", "s", "--key", "k", *(str(i) for i in range(200, 400)))
    reader.join(60)
    assert [record["data"] for record in seen] == list(range(400))
    assert follower.wait(10) == 0


def test_shards_are_scaled_split_merged_and_reported(command):
    command.run("create", "s", "--shards", 2)
    (scaled,) = command.json("scale", "s", "--to", 9)
    assert scaled == {"name": "s", "open_shards": 9, "before": 2}
    (scaled,) = command.json("scale", "s", "--percent", -50, "--min", 5)
    assert scaled["open_shards"] == 5
    (report,) = command.json("report", "s")
    assert report["uneven"] == [] and abs(sum(shard["share"] for shard in report["shards"]) - 1) < 1e-9
    shard = report["shards"][0]["shard"]
    (split,) = command.json("scale", "s", "--shard", shard, "--to", 3)
    assert split["open_shards"] == 7
    (report,) = command.json("report", "s")
    assert len(report["uneven"]) == 3
    assert "scale s --to 7" in command.run("report", "s")
    names = [shard["shard"] for shard in report["shards"]]
    (merged,) = command.json("merge", "s", names[0], names[1])
    assert merged["open_shards"] == 6
    assert "not an adjacent pair" in command.run("merge", "s", names[3], names[6], code=1)
    assert "closed already" in command.run("split", "s", names[0], code=1)
    assert "no shard" in command.run("split", "s", "shardId-000000000999", code=1)


def test_hot_keys_are_found_and_a_split_is_proposed(command):
    command.run("create", "s", "--shards", 1)
    command.run("put", "s", "--key", "one", *(str(i) for i in range(150)))
    (shard,) = command.json("hot-keys", "s")[0]
    assert shard["keys"][0] == {"key": "one", "records": 150, "error": 0, "share": 1.0}
    assert shard["advice"] == {"one_key": "one"}
    command.run("put", "s", "--file", "-", stdin="\n".join(f"r{i}" for i in range(850)))
    (shard,) = command.json("hot-keys", "s")[0]
    assert shard["records"] == 1_000 and shard["keys"][0]["key"] == "one"
    at = shard["advice"]["split_at"]
    assert 0.3 < shard["advice"]["share_below"] < 0.7
    command.run("split", "s", "shardId-000000000000", "--at", at)
    assert "carries" not in command.run("hot-keys", "s")


def test_what_goes_wrong_has_one_line_and_a_code_of_its_own(command):
    assert "none" in command.run("describe", "none", code=3)
    command.run("create", "s", "--shards", 1)
    assert "already exists" in command.run("create", "s", "--shards", 1, code=4)
    assert "again and again" not in command.run("put", "s", "--key-field", "x", "no json", code=1)
    assert "--from" in command.run("tail", "s", "--from", "yesterday", code=1)
    command.run("scale", "s", code=2)
    away = Command.__new__(Command)
    away.env = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert "does not answer" in away.run("list", code=1)


def test_throttled_records_are_sent_again_until_all_are_stored(command):
    command.run("create", "s", "--shards", 1)
    (put,) = command.json("put", "s", "--key", "k", "--file", "-", stdin="\n".join(str(i) for i in range(3_500)))
    assert put["stored"] == 3_500 and put["retried"] > 0
    assert [record["data"] for record in command.json("tail", "s")] == list(range(3_500))


def test_an_overloaded_stream_is_doubled_once(start, tmp_path):
    # The minutes of the configuration are waited for in real time, so they are none here.
    platform = start()
    command = Command(platform)
    command.run("create", "s", "--shards", 1)
    side = {"scaleThresholdPct": 50, "scaleAfterMins": 0, "scalePct": 100, "coolOffMins": 60}
    config = tmp_path / "scaling.json"
    config.write_text(json.dumps({"streamName": "s", "scaleOnOperation": ["PUT"], "checkInterval": 1, "maxShards": 8, "scaleUp": side}))
    writer = command.start("put", "s", "--file", "-")
    scaler = command.start(
        "--json", "autoscale", "--config", config, "--console", platform.addresses["console"], "--rounds", 8)
    lines = "\n".join(f"{i:0100}" for i in range(6_000))
    writer.communicate(lines, timeout=60)
    out, err = scaler.communicate(timeout=60)
    decisions = [json.loads(line) for line in out.splitlines()]
    assert [decision["target"] for decision in decisions if decision["target"]] == [2], (out, err)
    assert "above 50 %" in next(decision["reason"] for decision in decisions if decision["target"])
    wait_for(lambda: command.json("describe", "s")[0]["open_shards"] == 2, "the second shard")
    config.write_text("{}")
    assert "scaling.json" in command.run("autoscale", "--config", config, code=1)


def test_requests_are_signed_where_the_environment_has_a_key(start, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text("[[key]]\nid = 'AKID'\nsecret = 'secret'\nrole = 'operator'\n")
    keys.chmod(0o600)
    platform = start("--credentials", keys)
    region = {"AWS_REGION": "eu-central-1"}
    signed = Command(platform, {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", **region})
    signed.run("create", "s", "--shards", 1)
    wrong = Command(platform, {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "wrong", **region})
    assert "InvalidSignatureException" in wrong.run("list", code=1)
    assert "MissingAuthenticationTokenException" in Command(platform, {"AWS_ACCESS_KEY_ID": ""}).run("list", code=1)


def test_a_replay_writes_aggregated_records_that_everybody_takes_apart(command, platform):
    command.run("create", "trips", "--shards", 3)
    replay = [BINARY, "replay", "--count", "5000", "--seed", "7", "--speedup", "max"]
    rows = subprocess.run([*replay, "--print"], capture_output=True, text=True, check=True).stdout.splitlines()
    result = subprocess.run([*replay, "--aggregate"], capture_output=True, text=True, env=command.env, timeout=120)
    assert result.returncode == 0, result.stderr
    read = command.json("tail", "trips")
    assert sorted(json.dumps(record["data"], sort_keys=True) for record in read) == sorted(
        json.dumps(json.loads(row), sort_keys=True) for row in rows)
    numbers = {(record["shard"], record["sequence_number"]) for record in read}
    assert len(numbers) < 1_000 and max(record.get("part", 0) for record in read) > 10
    stored = platform.kinesis().list_shards(StreamName="trips")["Shards"]
    for shard in stored:
        own = [record for record in read if record["shard"] == shard["ShardId"]]
        assert own, "every shard has its share"
