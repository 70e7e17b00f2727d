"""The Kinesis door, with limits off, as boto3 sees it. `conftest.py` says where the door is found."""

import hashlib
import json
import time
import uuid

from door import covers, fails, iterator, raw, read_in_order, read_shard, shards_of, wait_active


def test_a_stream_is_created_described_and_deleted(kinesis):
    name = f"t-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=3)
    summary = wait_active(kinesis, name)
    assert (summary["OpenShardCount"], summary["ConsumerCount"], summary["RetentionPeriodHours"]) == (3, 0, 24)
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert summary["EncryptionType"] == "NONE"
    assert abs(summary["StreamCreationTimestamp"].timestamp() - time.time()) < 60
    full = kinesis.describe_stream(StreamARN=summary["StreamARN"])["StreamDescription"]
    assert full["StreamName"] == name and full["HasMoreShards"] is False
    assert [shard["ShardId"] for shard in full["Shards"]] == [f"shardId-{i:012}" for i in range(3)]
    assert covers(full["Shards"])
    for shard in full["Shards"]:
        assert len(shard["SequenceNumberRange"]["StartingSequenceNumber"]) == 56
        assert "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    message = fails("ResourceInUseException", kinesis.create_stream, StreamName=name, ShardCount=1)
    assert message == f"Stream {name} under account 000000000000 already exists."
    assert name in kinesis.list_streams(Limit=10000)["StreamNames"]
    kinesis.delete_stream(StreamName=name)
    for _ in range(200):
        if name not in kinesis.list_streams(Limit=10000)["StreamNames"]:
            break
        time.sleep(0.02)
    message = fails("ResourceNotFoundException", kinesis.describe_stream, StreamName=name)
    assert message == f"Stream {name} under account 000000000000 not found."


def test_a_stream_without_shard_count_is_on_demand_with_four_shards(kinesis, make_stream):
    name = make_stream(None)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["StreamModeDetails"]["StreamMode"]) == (4, "ON_DEMAND")
    arguments = {"StreamName": name, "TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"}
    fails("ValidationException", kinesis.update_shard_count, **arguments)
    both = {"ShardCount": 1, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    fails("InvalidArgumentException", kinesis.create_stream, StreamName="x", **both)


def test_records_come_back_as_they_were_put(kinesis, make_stream):
    name = make_stream(2)
    payloads = [b"", b"one", bytes(range(256)), "ö€😀".encode(), b"x" * 100_000]
    keys = ["a", "ö", "key with \" and \\", "e" * 256, "😀" * 64]
    put = kinesis.put_record(StreamName=name, Data=payloads[0], PartitionKey=keys[0])
    assert set(put) >= {"ShardId", "SequenceNumber"}
    entries = [{"Data": data, "PartitionKey": key} for data, key in zip(payloads[1:], keys[1:])]
    answer = kinesis.put_records(StreamName=name, Records=entries)
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 4
    seen = {}
    for shard in shards_of(kinesis, name):
        for record in read_shard(kinesis, name, shard["ShardId"])[0]:
            seen[record["PartitionKey"]] = (record["Data"], shard["ShardId"], record["SequenceNumber"])
            assert abs(record["ApproximateArrivalTimestamp"].timestamp() - time.time()) < 60
    accepted = [put] + answer["Records"]
    for key, data, result in zip(keys, payloads, accepted):
        assert seen[key] == (data, result["ShardId"], result["SequenceNumber"])


def test_the_hash_of_the_key_decides_the_shard(kinesis, make_stream):
    name = make_stream(4)
    shards = shards_of(kinesis, name)

    def owner(key):
        return next(
            shard["ShardId"]
            for shard in shards
            if int(shard["HashKeyRange"]["StartingHashKey"]) <= key <= int(shard["HashKeyRange"]["EndingHashKey"])
        )

    for i in range(50):
        key = int.from_bytes(hashlib.md5(str(i).encode()).digest(), "big")
        assert kinesis.put_record(StreamName=name, Data=b"", PartitionKey=str(i))["ShardId"] == owner(key)
    for key in [0, 2**127, 2**128 - 1]:
        put = kinesis.put_record(StreamName=name, Data=b"", PartitionKey="same", ExplicitHashKey=str(key))
        assert put["ShardId"] == owner(key)
    arguments = {"StreamName": name, "Data": b"", "PartitionKey": "k", "ExplicitHashKey": str(2**128)}
    fails("InvalidArgumentException", kinesis.put_record, **arguments)
    arguments["ExplicitHashKey"] = "abc"
    assert "explicitHashKey" in fails("ValidationException", kinesis.put_record, **arguments)


def test_iterators_begin_where_they_say(endpoint, kinesis, make_stream):
    name, shard = make_stream(), "shardId-000000000000"
    latest = iterator(kinesis, name, shard, "LATEST")
    numbers = []
    for i in range(5):
        put = kinesis.put_record(StreamName=name, Data=str(i).encode(), PartitionKey="k")
        numbers.append(put["SequenceNumber"])
        time.sleep(0.005)

    def read(at):
        answer = kinesis.get_records(ShardIterator=at)
        return b"".join(record["Data"] for record in answer["Records"])

    assert read(latest) == b"01234"
    assert read(iterator(kinesis, name, shard)) == b"01234"
    assert read(iterator(kinesis, name, shard, "LATEST")) == b""
    at = {"StartingSequenceNumber": numbers[2]}
    assert read(iterator(kinesis, name, shard, "AT_SEQUENCE_NUMBER", **at)) == b"234"
    assert read(iterator(kinesis, name, shard, "AFTER_SEQUENCE_NUMBER", **at)) == b"34"
    first = shards_of(kinesis, name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert read(iterator(kinesis, name, shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=first)) == b"01234"
    arrivals = kinesis.get_records(ShardIterator=iterator(kinesis, name, shard))["Records"]
    time_of_third = arrivals[3]["ApproximateArrivalTimestamp"].timestamp()
    # boto3 sends whole seconds; the protocol has milliseconds.
    body = {"StreamName": name, "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time_of_third}
    status, answer, _ = raw(endpoint, "Kinesis_20131202.GetShardIterator", body=json.dumps(body).encode())
    assert status == 200 and read(json.loads(answer)["ShardIterator"]) == b"34"
    assert read(iterator(kinesis, name, shard, "AT_TIMESTAMP", Timestamp=0)) == b"01234"


def test_reading_goes_on_page_by_page(kinesis, make_stream):
    name = make_stream()
    entries = [{"Data": str(i).encode(), "PartitionKey": "k"} for i in range(100)]
    kinesis.put_records(StreamName=name, Records=entries)
    at = iterator(kinesis, name, "shardId-000000000000")
    answer = kinesis.get_records(ShardIterator=at, Limit=30)
    assert len(answer["Records"]) == 30 and answer["NextShardIterator"]
    records, _ = read_shard(kinesis, name, "shardId-000000000000", limit=7)
    assert [int(record["Data"]) for record in records] == list(range(100))


def test_wrong_iterators_are_refused(kinesis, make_stream):
    name, shard = make_stream(2), "shardId-000000000000"
    call = kinesis.get_shard_iterator
    base = {"StreamName": name, "ShardId": shard}
    message = fails("ResourceNotFoundException", call, StreamName=name, ShardId="shardId-000000000009",
                    ShardIteratorType="LATEST")
    assert message == f"Shard shardId-000000000009 in stream {name} under account 000000000000 does not exist"
    fails("ResourceNotFoundException", call, StreamName=name, ShardId="nonsense", ShardIteratorType="LATEST")
    fails("ValidationException", call, **base, ShardIteratorType="SOMEWHERE")
    fails("InvalidArgumentException", call, **base, ShardIteratorType="AT_SEQUENCE_NUMBER")
    fails("InvalidArgumentException", call, **base, ShardIteratorType="AT_TIMESTAMP")
    fails("InvalidArgumentException", call, **base, ShardIteratorType="AT_TIMESTAMP", Timestamp=time.time() + 1000)
    other = shards_of(kinesis, name)[1]["SequenceNumberRange"]["StartingSequenceNumber"]
    sequence = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": other}
    fails("InvalidArgumentException", call, **base, **sequence)
    assert fails("InvalidArgumentException", kinesis.get_records, ShardIterator="AAAA") == "Invalid ShardIterator."
    fails("ValidationException", kinesis.get_records, ShardIterator="AAAA", Limit=10001)


def test_requests_are_validated_in_the_words_of_the_service(kinesis, make_stream):
    assert fails("ValidationException", kinesis.create_stream, ShardCount=1) == (
        "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null"
    )
    assert fails("ValidationException", kinesis.create_stream, StreamName="a/b", ShardCount=0) == (
        "2 validation errors detected: Value 'a/b' at 'streamName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; "
        "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )
    name = make_stream()
    put = kinesis.put_records
    assert "'records' failed" in fails("ValidationException", put, StreamName=name, Records=[])
    one = {"Data": b"", "PartitionKey": "k"}
    assert "less than or equal to 500" in fails("ValidationException", put, StreamName=name, Records=[one] * 501)
    message = fails("ValidationException", put, StreamName=name, Records=[one, {"Data": b"", "PartitionKey": ""}])
    assert "'records.2.member.partitionKey'" in message
    message = fails("ValidationException", put, StreamName=name, Records=[{"PartitionKey": "k"}])
    assert "Value null at 'records.1.member.data'" in message
    large = {"Data": b"x" * (1024 * 1024 + 1), "PartitionKey": "k"}
    assert "1048576" in fails("ValidationException", put, StreamName=name, Records=[large])
    large = {"Data": b"x" * (1024 * 1024 - 10), "PartitionKey": "k"}
    assert fails("InvalidArgumentException", put, StreamName=name, Records=[large] * 6) == (
        "Records size exceeds 5 MB limit"
    )
    fails("InvalidArgumentException", put, Records=[one])
    fails("ResourceNotFoundException", put, StreamName="no-such-stream", Records=[one])
    fails("SerializationException", kinesis.create_stream, StreamName=name, ShardCount="many")


def test_resharding_keeps_lineage_and_order(kinesis, make_stream):
    name, expected = make_stream(4), {}

    def put(count):
        entries = [{"Data": str(i).encode(), "PartitionKey": f"k{i % 10}"} for i in range(count)]
        assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
        for entry in entries:
            expected.setdefault(entry["PartitionKey"], []).append(entry["Data"])

    put(200)
    for target in [8, 4, 3, 5]:
        before = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]
        answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (before, target)
        put(200)
        assert wait_active(kinesis, name)["OpenShardCount"] == target
        put(200)
    shards = {shard["ShardId"]: shard for shard in shards_of(kinesis, name)}
    closed = [shard for shard in shards.values() if "EndingSequenceNumber" in shard["SequenceNumberRange"]]
    assert covers([shard for shard in shards.values() if shard not in closed])
    for shard in closed:
        numbers = shard["SequenceNumberRange"]
        assert int(numbers["EndingSequenceNumber"]) > int(numbers["StartingSequenceNumber"])
        ends = int(numbers["EndingSequenceNumber"])
        children = [
            child
            for child in shards.values()
            if shard["ShardId"] in (child.get("ParentShardId"), child.get("AdjacentParentShardId"))
        ]
        assert len(children) in (1, 2)
        assert all(int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > ends for child in children)
        if len(children) == 1:
            assert "AdjacentParentShardId" in children[0]
    assert read_in_order(kinesis, name) == expected


def test_a_closed_shard_ends_with_its_children(kinesis, make_stream):
    name, shard = make_stream(1), "shardId-000000000000"
    kinesis.put_record(StreamName=name, Data=b"1", PartitionKey="k")
    waiting = iterator(kinesis, name, shard, "LATEST")
    kinesis.update_shard_count(StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    wait_active(kinesis, name)
    for at in [waiting, iterator(kinesis, name, shard, "LATEST")]:
        answer = kinesis.get_records(ShardIterator=at)
        assert answer["Records"] == [] and answer.get("NextShardIterator") is None
        assert [child["ShardId"] for child in answer["ChildShards"]] == [f"shardId-{i:012}" for i in (1, 2)]
        assert covers(answer["ChildShards"])
    kinesis.update_shard_count(StreamName=name, TargetShardCount=1, ScalingType="UNIFORM_SCALING")
    wait_active(kinesis, name)
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name, "shardId-000000000002"))
    assert answer["ChildShards"][0]["ParentShards"] == ["shardId-000000000001", "shardId-000000000002"]


def test_shards_are_listed_page_by_page_and_by_filter(kinesis, make_stream):
    name = make_stream(3)
    kinesis.update_shard_count(StreamName=name, TargetShardCount=6, ScalingType="UNIFORM_SCALING")
    wait_active(kinesis, name)
    ids = [f"shardId-{i:012}" for i in range(9)]

    def listed(**arguments):
        return [shard["ShardId"] for shard in kinesis.list_shards(StreamName=name, **arguments)["Shards"]]

    assert listed() == ids
    assert listed(ExclusiveStartShardId=ids[6]) == ids[7:]
    assert listed(ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": ids[6]}) == ids[7:]
    assert listed(ShardFilter={"Type": "AT_LATEST"}) == ids[3:]
    assert listed(ShardFilter={"Type": "AT_TRIM_HORIZON"}) == ids[:3]
    assert listed(ShardFilter={"Type": "FROM_TRIM_HORIZON"}) == ids
    assert listed(ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": int(time.time()) + 1}) == ids[3:]
    assert listed(ShardFilter={"Type": "FROM_TIMESTAMP", "Timestamp": int(time.time()) + 1}) == ids[3:]
    assert listed(ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": 0}) == ids[:3]
    pages, token = [], None
    while True:
        first = {"StreamName": name, "ShardFilter": {"Type": "AT_LATEST"}}
        page = kinesis.list_shards(MaxResults=4, **({"NextToken": token} if token else first))
        pages.append([shard["ShardId"] for shard in page["Shards"]])
        token = page.get("NextToken")
        if not token:
            break
    assert pages == [ids[3:7], ids[7:]]
    page = kinesis.list_shards(StreamName=name, MaxResults=1)
    both = {"StreamName": name, "NextToken": page["NextToken"]}
    assert fails("InvalidArgumentException", kinesis.list_shards, **both) == (
        "NextToken and StreamName cannot be provided together."
    )
    fails("InvalidArgumentException", kinesis.list_shards, NextToken="nonsense")
    fails("ResourceNotFoundException", kinesis.list_shards, StreamName="no-such-stream")
    full = kinesis.describe_stream(StreamName=name, Limit=5)["StreamDescription"]
    assert full["HasMoreShards"] is True and len(full["Shards"]) == 5
    rest = kinesis.describe_stream(StreamName=name, ExclusiveStartShardId=ids[4])["StreamDescription"]
    assert [shard["ShardId"] for shard in rest["Shards"]] == ids[5:] and rest["HasMoreShards"] is False


def test_streams_are_listed_page_by_page(kinesis, make_stream):
    names = sorted(make_stream() for _ in range(3))
    seen, after = [], {}
    while True:
        page = kinesis.list_streams(Limit=2, **after)
        seen += page["StreamNames"]
        assert [summary["StreamName"] for summary in page["StreamSummaries"]] == page["StreamNames"]
        if not page["HasMoreStreams"]:
            break
        after = {"NextToken": page["NextToken"]}
    assert seen == sorted(seen) and set(names) <= set(seen)
    page = kinesis.list_streams(ExclusiveStartStreamName=names[0], Limit=1)
    assert page["StreamNames"][0] > names[0]


def test_a_stream_may_be_named_by_arn(kinesis, make_stream):
    name = make_stream()
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    assert arn == f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"
    kinesis.put_record(StreamARN=arn, Data=b"1", PartitionKey="k")
    at = kinesis.get_shard_iterator(StreamName=name, StreamARN=arn, ShardId="shardId-000000000000",
                                    ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert kinesis.get_records(StreamARN=arn, ShardIterator=at)["Records"][0]["Data"] == b"1"
    assert kinesis.list_shards(StreamARN=arn)["Shards"]
    fails("ValidationException", kinesis.describe_stream_summary, StreamARN="arn:aws:kinesis:x")
    fails("InvalidArgumentException", kinesis.put_record, StreamName="other", StreamARN=arn, Data=b"", PartitionKey="k")


def test_the_wire_is_spoken_properly(endpoint):
    status, body, headers = raw(endpoint)
    assert status == 200 and headers["Content-Type"] == "application/x-amz-json-1.1" and headers["x-amzn-RequestId"]
    for target in ["Kinesis_20131202.Nonsense", "DynamoDB_20120810.ListTables", ""]:
        status, body, _ = raw(endpoint, target)
        assert status == 400 and b'"UnknownOperationException"' in body
    status, body, _ = raw(endpoint, kind="text/plain")
    assert status == 400 and b"The content type must be" in body
    for body in [b"{", b"[]", b'{"Limit": "x"}', b"\xff", b"[" * 100_000]:
        status, answer, _ = raw(endpoint, body=body)
        assert status == 400 and b'"SerializationException"' in answer
    body = b'{"StreamName": "s", "Data": "*", "PartitionKey": "k"}'
    status, answer, _ = raw(endpoint, "Kinesis_20131202.PutRecord", body=body)
    assert status == 400 and b'"SerializationException"' in answer
    status, _, _ = raw(endpoint, "Kinesis_20131202.PutRecord", body=b" " * (25 * 1024 * 1024))
    assert status == 413
