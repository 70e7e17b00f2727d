"""The Kinesis door in CBOR 1.1, as Java clients speak it: every operation, and what must be the same as in JSON."""

import datetime
import time
import uuid

import cbor2
from door import raw

TYPE = "application/x-amz-cbor-1.1"


def decode(body):
    """Tag 1 holds milliseconds in this protocol, where readers of the tag would take them for seconds."""
    return cbor2.loads(body, semantic_decoders={1: lambda value, _immutable: ("ms", value)})


def call(endpoint, operation, **members):
    status, body, headers = raw(endpoint, f"Kinesis_20131202.{operation}", kind=TYPE, body=encode(members))
    assert headers["Content-Type"] == TYPE
    return status, decode(body) if body else None


def done(endpoint, operation, **members):
    status, answer = call(endpoint, operation, **members)
    assert status == 200, answer
    return answer


def refused(endpoint, code, operation, **members):
    status, answer = call(endpoint, operation, **members)
    assert (status, answer["__type"]) == (400, code), answer
    return answer["message"]


def encode(members):
    """A map whose end is marked, as the Java clients write it."""
    pairs = b"".join(cbor2.dumps(name) + cbor2.dumps(value) for name, value in members.items())
    return b"\xbf" + pairs + b"\xff"


def active(endpoint, name):
    for _ in range(500):
        summary = done(endpoint, "DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return summary
        time.sleep(0.02)
    raise AssertionError(f"{name} is not active")


def test_a_stream_lives_in_cbor(endpoint):
    name = f"t-{uuid.uuid4().hex[:12]}"
    assert done(endpoint, "CreateStream", StreamName=name, ShardCount=2, Tags={"made": "in cbor"}) is None
    summary = active(endpoint, name)
    arn, (unit, created) = summary["StreamARN"], summary["StreamCreationTimestamp"]
    assert unit == "ms" and abs(created / 1_000 - time.time()) < 60
    payloads = [b"", bytes(range(256)), "ö€".encode(), b"x" * 70_000]
    entries = [{"Data": data, "PartitionKey": f"k{i}"} for i, data in enumerate(payloads)]
    put = done(endpoint, "PutRecords", StreamName=name, Records=entries)
    assert put["FailedRecordCount"] == 0 and len(put["Records"]) == len(payloads)
    one = done(endpoint, "PutRecord", StreamARN=arn, Data=b"one", PartitionKey="k", ExplicitHashKey="0")
    assert one["ShardId"] == "shardId-000000000000"
    seen = []
    for shard in done(endpoint, "ListShards", StreamName=name)["Shards"]:
        position = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        at = done(endpoint, "GetShardIterator", **position)["ShardIterator"]
        answer = done(endpoint, "GetRecords", ShardIterator=at, Limit=10_000)
        assert answer["MillisBehindLatest"] == 0
        seen += [record["Data"] for record in answer["Records"]]
    assert sorted(seen) == sorted([*payloads, b"one"])
    assert done(endpoint, "DescribeStream", StreamARN=arn)["StreamDescription"]["StreamName"] == name
    assert name in done(endpoint, "ListStreams", Limit=10_000)["StreamNames"]
    done(endpoint, "AddTagsToStream", StreamName=name, Tags={"a": "b"})
    done(endpoint, "TagResource", ResourceARN=arn, Tags={"c": "d"})
    tags = done(endpoint, "ListTagsForStream", StreamName=name)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"made": "in cbor", "a": "b", "c": "d"}
    done(endpoint, "RemoveTagsFromStream", StreamName=name, TagKeys=["a"])
    done(endpoint, "UntagResource", ResourceARN=arn, TagKeys=["c", "made"])
    assert done(endpoint, "ListTagsForResource", ResourceARN=arn)["Tags"] == []
    done(endpoint, "IncreaseStreamRetentionPeriod", StreamName=name, RetentionPeriodHours=48)
    done(endpoint, "DecreaseStreamRetentionPeriod", StreamName=name, RetentionPeriodHours=24)
    done(endpoint, "SplitShard", StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="5")
    active(endpoint, name)
    merge = {"ShardToMerge": "shardId-000000000002", "AdjacentShardToMerge": "shardId-000000000003"}
    done(endpoint, "MergeShards", StreamName=name, **merge)
    active(endpoint, name)
    scaled = done(endpoint, "UpdateShardCount", StreamName=name, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    assert (scaled["CurrentShardCount"], scaled["TargetShardCount"]) == (2, 4)
    active(endpoint, name)
    assert done(endpoint, "DescribeLimits")["OpenShardCount"] >= 4
    consumer = done(endpoint, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="map")["Consumer"]
    assert consumer["ConsumerCreationTimestamp"][0] == "ms"
    assert done(endpoint, "DescribeStreamConsumer", ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]["StreamARN"] == arn
    assert len(done(endpoint, "ListStreamConsumers", StreamARN=arn)["Consumers"]) == 1
    done(endpoint, "DeregisterStreamConsumer", ConsumerARN=consumer["ConsumerARN"])
    done(endpoint, "EnableEnhancedMonitoring", StreamName=name, ShardLevelMetrics=["ALL"])
    done(endpoint, "DisableEnhancedMonitoring", StreamName=name, ShardLevelMetrics=["ALL"])
    done(endpoint, "StartStreamEncryption", StreamName=name, EncryptionType="KMS", KeyId="k")
    active(endpoint, name)
    done(endpoint, "StopStreamEncryption", StreamName=name, EncryptionType="KMS", KeyId="k")
    active(endpoint, name)
    statement = '{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}'
    done(endpoint, "PutResourcePolicy", ResourceARN=arn, Policy='{"Statement":' + statement + "}")
    assert statement in done(endpoint, "GetResourcePolicy", ResourceARN=arn)["Policy"]
    done(endpoint, "DeleteResourcePolicy", ResourceARN=arn)
    done(endpoint, "UpdateMaxRecordSize", StreamARN=arn, MaxRecordSizeInKiB=2048)
    active(endpoint, name)
    done(endpoint, "UpdateStreamMode", StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    active(endpoint, name)
    status = done(endpoint, "DescribeAccountSettings")["MinimumThroughputBillingCommitment"]["Status"]
    assert status in ("ENABLED", "DISABLED")
    done(endpoint, "DeleteStream", StreamName=name)


def test_times_are_milliseconds_under_tag_1(endpoint, kinesis, make_stream):
    name = make_stream(1)
    kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    target = "Kinesis_20131202.DescribeStreamSummary"
    status, body, _ = raw(endpoint, target, kind=TYPE, body=encode({"StreamName": name}))
    assert status == 200
    created = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    millis = round(created.timestamp() * 1_000)
    assert cbor2.dumps("StreamCreationTimestamp") + b"\xc1" + cbor2.dumps(millis) in body
    at = {"StreamName": name, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP"}
    iterator = done(endpoint, "GetShardIterator", Timestamp=cbor2.CBORTag(1, millis), **at)["ShardIterator"]
    assert [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]] == [b"x"]
    late = round(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1_000) + 3_600_000
    assert "cannot be greater" in refused(
        endpoint, "InvalidArgumentException", "GetShardIterator", Timestamp=cbor2.CBORTag(1, late), **at
    )


def test_errors_are_cbor_too(endpoint):
    missing = refused(endpoint, "ResourceNotFoundException", "DescribeStream", StreamName="never-made")
    assert missing == "Stream never-made under account 000000000000 not found."
    assert "Member must not be null" in refused(endpoint, "ValidationException", "PutRecord", StreamName="s")
    refused(endpoint, "SerializationException", "PutRecord", StreamName="s", PartitionKey="k", Data="text")
    refused(endpoint, "SerializationException", "DescribeStream", StreamName=7)
    refused(endpoint, "UnknownOperationException", "Nonsense")
    for body in [b"\xbf", b"\xff", b"\x81" * 100_000, b"\x5b\x7f" + b"\xff" * 7, b"\xa0\x00", b"{}"]:
        status, answer, _ = raw(endpoint, "Kinesis_20131202.ListStreams", kind=TYPE, body=body)
        assert (status, decode(answer)["__type"]) == (400, "SerializationException"), body[:9]
