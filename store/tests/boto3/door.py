"""What the tests of the Kinesis door share: ways to call it and to read what is in it."""

import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError


def wait_active(kinesis, name):
    status = "unknown"
    for _ in range(200):
        try:
            summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        except ClientError as error:
            # A door with limits answers so often a second and no more; others may be asking too.
            assert error.response["Error"]["Code"] == "LimitExceededException", error
            time.sleep(0.2)
            continue
        status = summary["StreamStatus"]
        if status == "ACTIVE":
            return summary
        time.sleep(0.05)
    raise AssertionError(f"{name} stays {status}")


def fails(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    return error["Message"]


def shards_of(kinesis, name):
    return kinesis.describe_stream(StreamName=name)["StreamDescription"]["Shards"]


def iterator(kinesis, name, shard, kind="TRIM_HORIZON", **more):
    answer = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)
    return answer["ShardIterator"]


def read_shard(kinesis, name, shard, limit=1000):
    """All records of a shard, and its children if it has ended."""
    records, at = [], iterator(kinesis, name, shard)
    while True:
        answer = kinesis.get_records(ShardIterator=at, Limit=limit)
        records += answer["Records"]
        at = answer.get("NextShardIterator")
        if at is None:
            return records, answer["ChildShards"]
        assert "ChildShards" not in answer
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return records, []


def read_in_order(kinesis, name):
    """All payloads of each key, parents before children."""
    keys, ended = {}, set()
    waiting = [shard["ShardId"] for shard in shards_of(kinesis, name) if "ParentShardId" not in shard]
    while waiting:
        shard = waiting.pop()
        records, children = read_shard(kinesis, name, shard)
        numbers = [int(record["SequenceNumber"]) for record in records]
        assert numbers == sorted(set(numbers))
        for record in records:
            keys.setdefault(record["PartitionKey"], []).append(record["Data"])
        ended.add(shard)
        for child in children:
            if all(parent in ended for parent in child["ParentShards"]) and child["ShardId"] not in waiting:
                waiting.append(child["ShardId"])
    return keys


def covers(shards):
    ranges = sorted(
        (int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])) for shard in shards
    )
    edges = [edge for pair in ranges for edge in pair]
    return edges[0] == 0 and edges[-1] == 2**128 - 1 and all(
        ranges[i][1] + 1 == ranges[i + 1][0] for i in range(len(ranges) - 1)
    )


def raw(endpoint, target="Kinesis_20131202.ListStreams", kind="application/x-amz-json-1.1", body=b"{}", method="POST"):
    headers = {"Content-Type": kind, "X-Amz-Target": target}
    request = urllib.request.Request(endpoint, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers
