"""Single splits and merges, retention, tags and account limits, as boto3 sees them."""

import time
import uuid

from door import covers, fails, read_in_order, shards_of, wait_active

MIDDLE = 2**127


def retention(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["RetentionPeriodHours"]


def open_shards(kinesis, name):
    return [s for s in shards_of(kinesis, name) if "EndingSequenceNumber" not in s["SequenceNumberRange"]]


def test_one_shard_is_split_and_merged_again_without_losing_records(kinesis, make_stream):
    name = make_stream(1)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]

    def put(start):
        entries = [{"Data": str(i).encode(), "PartitionKey": f"k{i % 7}"} for i in range(start, start + 100)]
        assert kinesis.put_records(StreamARN=arn, Records=entries)["FailedRecordCount"] == 0

    put(0)
    kinesis.split_shard(StreamARN=arn, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(MIDDLE))
    fails("ResourceInUseException", kinesis.split_shard, StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="7")
    wait_active(kinesis, name)
    put(100)
    left, right = open_shards(kinesis, name)
    assert covers([left, right]) and right["HashKeyRange"]["StartingHashKey"] == str(MIDDLE)
    assert left["ParentShardId"] == right["ParentShardId"] == "shardId-000000000000"
    assert "AdjacentParentShardId" not in left
    kinesis.merge_shards(StreamName=name, ShardToMerge=left["ShardId"], AdjacentShardToMerge=right["ShardId"])
    wait_active(kinesis, name)
    put(200)
    (merged,) = open_shards(kinesis, name)
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (left["ShardId"], right["ShardId"])
    by_key = {key: [int(data) for data in payloads] for key, payloads in read_in_order(kinesis, name).items()}
    assert by_key == {f"k{k}": [i for i in range(300) if i % 7 == k] for k in range(7)}


def test_what_cannot_be_split_or_merged_is_refused(kinesis, make_stream):
    name = make_stream(4)
    shard = "shardId-{:012}".format

    def split(code, number, key):
        return fails(code, kinesis.split_shard, StreamName=name, ShardToSplit=shard(number), NewStartingHashKey=key)

    def merge(code, a, b):
        return fails(code, kinesis.merge_shards, StreamName=name, ShardToMerge=shard(a), AdjacentShardToMerge=shard(b))

    assert "Could not find shard shardId-000000000009" in split("ResourceNotFoundException", 9, "5")
    assert "NewStartingHashKey 0" in split("InvalidArgumentException", 0, "0")
    assert "NewStartingHashKey" in split("InvalidArgumentException", 0, str(MIDDLE))
    assert "[0, 2^128-1]" in split("InvalidArgumentException", 0, str(2**128))
    assert "regular expression pattern" in split("ValidationException", 0, "-1")
    assert "not an adjacent pair" in merge("InvalidArgumentException", 0, 2)
    assert "Could not find shard" in merge("ResourceNotFoundException", 0, 7)
    message = fails("ValidationException", kinesis.split_shard, StreamName=name)
    assert message == (
        "2 validation errors detected: Value null at 'shardToSplit' failed to satisfy constraint: Member must not be null; "
        "Value null at 'newStartingHashKey' failed to satisfy constraint: Member must not be null"
    )
    kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey="5")
    wait_active(kinesis, name)
    assert "has already been merged or split" in split("InvalidArgumentException", 0, "5")


def test_retention_is_increased_and_decreased(kinesis, make_stream):
    name = make_stream(1)
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=8760)
    assert retention(kinesis, name) == 8760
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=25)
    assert retention(kinesis, name) == 25
    for call, hours, said in [
        (kinesis.increase_stream_retention_period, 24, "can not be shorter than existing retention period (25 hours)"),
        (kinesis.decrease_stream_retention_period, 26, "can not be longer than existing retention period (25 hours)"),
        (kinesis.increase_stream_retention_period, 8761, "Maximum allowed retention period is 8760 hours"),
        (kinesis.decrease_stream_retention_period, 23, "Minimum allowed retention period is 24 hours"),
    ]:
        assert said in fails("InvalidArgumentException", call, StreamName=name, RetentionPeriodHours=hours)
    missing = {"StreamName": f"t-{uuid.uuid4().hex[:12]}", "RetentionPeriodHours": 48}
    fails("ResourceNotFoundException", kinesis.increase_stream_retention_period, **missing)


def test_tags_of_both_families_are_the_same_tags(kinesis, make_stream):
    name = make_stream(1, Tags={"made": "at creation"})
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.add_tags_to_stream(StreamName=name, Tags={"team": "day", "city": "New York", "größe": "E 5"})
    kinesis.tag_resource(ResourceARN=arn, Tags={"team": "night"})
    kinesis.remove_tags_from_stream(StreamARN=arn, TagKeys=["city", "never there"])
    expected = {"made": "at creation", "team": "night", "größe": "E 5"}
    listed = kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in listed} == expected
    seen, start = {}, {}
    while True:
        page = kinesis.list_tags_for_stream(StreamName=name, Limit=1, **start)
        (tag,) = page["Tags"]
        seen[tag["Key"]] = tag["Value"]
        if not page["HasMoreTags"]:
            break
        start = {"ExclusiveStartTagKey": tag["Key"]}
    assert seen == expected
    kinesis.untag_resource(ResourceARN=arn, TagKeys=list(expected))
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == []


def test_tags_are_checked(kinesis, make_stream):
    name = make_stream(1)
    add = kinesis.add_tags_to_stream
    assert "invalid characters" in fails("InvalidArgumentException", add, StreamName=name, Tags={"a": "<b>"})
    assert "length less than or equal to 128" in fails("ValidationException", add, StreamName=name, Tags={"k" * 129: ""})
    assert "length greater than or equal to 1" in fails("ValidationException", add, StreamName=name, Tags={})
    many = {f"k{i}": "" for i in range(51)}
    assert "more than 50 tags" in fails("InvalidArgumentException", add, StreamName=name, Tags=many)
    fails("ValidationException", kinesis.tag_resource, ResourceARN="arn:aws:s3:::bucket", Tags={"a": "b"})
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == []


def test_limits_of_the_account_count_streams_and_shards(kinesis, make_stream):
    make_stream(3)
    make_stream(None)

    def counted():
        """Open shards and on-demand streams, one stream after the other."""
        streams = kinesis.list_streams(Limit=1_000)["StreamSummaries"]
        summaries = [kinesis.describe_stream_summary(StreamName=one["StreamName"]) for one in streams]
        summaries = [one["StreamDescriptionSummary"] for one in summaries]
        on_demand = [one for one in summaries if one["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"]
        return sum(one["OpenShardCount"] for one in summaries), len(on_demand)

    # Streams of other tests are still on their way out: the counts agree once they are gone.
    for _ in range(100):
        limits = kinesis.describe_limits()
        try:
            agreed = counted() == (limits["OpenShardCount"], limits["OnDemandStreamCount"])
        except kinesis.exceptions.ResourceNotFoundException:
            agreed = False
        if agreed:
            break
        time.sleep(0.1)
    assert agreed and limits["OpenShardCount"] >= 7 and limits["OnDemandStreamCount"] >= 1
    assert limits["ShardLimit"] >= limits["OpenShardCount"] and limits["OnDemandStreamCountLimit"] > 0
