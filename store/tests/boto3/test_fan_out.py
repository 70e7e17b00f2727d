"""SubscribeToShard as boto3 reads it: events as records come, numbers to go on from, children at the end."""

import json
import threading
import time

import pytest
from botocore.exceptions import EventStreamError
from door import fails, iterator, raw, wait_active

SHARD = "shardId-000000000000"
OLDEST = {"Type": "TRIM_HORIZON"}


@pytest.fixture
def consumer(kinesis, make_stream):
    """The name of a stream of one shard, and the ARN of a consumer of it."""
    name = make_stream(1)
    arn = wait_active(kinesis, name)["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="map")["Consumer"]["ConsumerARN"]
    for _ in range(400):
        if kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE":
            return name, consumer
        time.sleep(0.02)
    raise AssertionError("the consumer is not active")


def subscribe(kinesis, consumer, shard=SHARD, at=None):
    answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=at or OLDEST)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/vnd.amazon.eventstream"
    return answer["EventStream"]


def put(kinesis, name, numbers):
    entries = [{"Data": str(number).encode(), "PartitionKey": "k"} for number in numbers]
    assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0


def numbers(event):
    return [int(record["Data"]) for record in event["Records"]]


def read(events, count):
    """Reads so many records, and gives them with the last event."""
    seen = []
    for event in events:
        event = event["SubscribeToShardEvent"]
        seen += numbers(event)
        if len(seen) >= count:
            return seen, event
    raise AssertionError(f"the events ended after {seen}")


def test_records_come_by_themselves_and_a_later_subscription_goes_on(kinesis, consumer):
    name, arn = consumer
    events = subscribe(kinesis, arn)
    first = next(iter(events))["SubscribeToShardEvent"]
    assert (first["Records"], first["MillisBehindLatest"]) == ([], 0)
    nothing = first["ContinuationSequenceNumber"]
    writer = threading.Thread(target=put, args=(kinesis, name, range(100)))
    writer.start()
    seen, last = read(events, 100)
    writer.join()
    events.close()
    assert seen == list(range(100))
    polled = kinesis.get_records(ShardIterator=iterator(kinesis, name, SHARD))["Records"]
    assert last["ContinuationSequenceNumber"] == polled[-1]["SequenceNumber"]
    put(kinesis, name, range(100, 110))
    for kind, number, expected in [
        ("AFTER_SEQUENCE_NUMBER", last["ContinuationSequenceNumber"], range(100, 110)),
        ("AT_SEQUENCE_NUMBER", polled[42]["SequenceNumber"], range(42, 110)),
        ("AFTER_SEQUENCE_NUMBER", nothing, range(110)),
    ]:
        time.sleep(1.1)
        events = subscribe(kinesis, arn, at={"Type": kind, "SequenceNumber": number})
        assert read(events, len(expected))[0] == list(expected)
        events.close()


def test_the_end_of_a_shard_names_its_children(kinesis, consumer):
    name, arn = consumer
    put(kinesis, name, range(10))
    events = iter(subscribe(kinesis, arn))
    assert read(events, 10)[0] == list(range(10))
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
    end = next(event["SubscribeToShardEvent"] for event in events if "ChildShards" in event["SubscribeToShardEvent"])
    assert "ContinuationSequenceNumber" not in end
    assert [child["ParentShards"] for child in end["ChildShards"]] == [[SHARD], [SHARD]]
    assert next(events, None) is None
    wait_active(kinesis, name)
    left, right = [child["ShardId"] for child in end["ChildShards"]]
    kinesis.merge_shards(StreamName=name, ShardToMerge=left, AdjacentShardToMerge=right)
    wait_active(kinesis, name)
    for shard in (left, right):
        (child,) = next(
            event["SubscribeToShardEvent"]["ChildShards"]
            for event in subscribe(kinesis, arn, shard)
            if "ChildShards" in event["SubscribeToShardEvent"]
        )
        assert sorted(child["ParentShards"]) == sorted([left, right])
        assert child["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}


def test_what_cannot_be_subscribed_to_is_refused(kinesis, endpoint, consumer):
    name, arn = consumer
    call = kinesis.subscribe_to_shard
    at = {"StartingPosition": OLDEST}
    fails("ResourceNotFoundException", call, ConsumerARN=arn, ShardId="shardId-000000000009", **at)
    fails("ResourceNotFoundException", call, ConsumerARN=arn + "1", ShardId=SHARD, **at)
    number = {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "7"}
    message = fails("InvalidArgumentException", call, ConsumerARN=arn, ShardId=SHARD, StartingPosition=number)
    assert "used in SubscribeToShard on shard" in message
    fails("InvalidArgumentException", call, ConsumerARN=arn, ShardId=SHARD, StartingPosition={"Type": "AT_TIMESTAMP"})
    fails("ValidationException", call, ConsumerARN=arn, ShardId=SHARD, StartingPosition={"Type": "FROM_THE_MIDDLE"})
    # A member that only newer clients know.
    dry = json.dumps({"ConsumerARN": arn, "ShardId": SHARD, "DryRun": True, **at}).encode()
    status, answer, _ = raw(endpoint, "Kinesis_20131202.SubscribeToShard", body=dry)
    assert status == 400 and b"DryRunOperationException" in answer
    events = subscribe(kinesis, arn)
    next(iter(events))
    fails("ResourceInUseException", call, ConsumerARN=arn, ShardId=SHARD, **at)
    # Who asks again at once hears of the rate.
    fails("LimitExceededException", call, ConsumerARN=arn, ShardId=SHARD, **at)
    time.sleep(1.1)
    message = fails("ResourceInUseException", call, ConsumerARN=arn, ShardId=SHARD, **at)
    assert message == f"Another active subscription exists for this consumer: 000000000000:{name}:{SHARD}:map"
    events.close()


def test_a_subscription_ends_with_its_consumer(kinesis, consumer):
    _, arn = consumer
    events = iter(subscribe(kinesis, arn))
    next(events)
    kinesis.deregister_stream_consumer(ConsumerARN=arn)
    with pytest.raises(EventStreamError) as caught:
        next(events)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
