"""The Kinesis door, with limits on, as boto3 sees it. `conftest.py` says where the door is found."""

import time

from botocore.exceptions import ClientError
from door import fails, iterator


def test_shard_counts_change_by_two_at_most(limited, make_limited_stream):
    name = make_limited_stream(3)
    call = limited.update_shard_count
    arguments = {"StreamName": name, "ScalingType": "UNIFORM_SCALING"}
    message = fails("InvalidArgumentException", call, TargetShardCount=7, **arguments)
    assert "over double" in message and "Current open shard count: 3" in message
    assert "below half" in fails("InvalidArgumentException", call, TargetShardCount=1, **arguments)
    fails("ValidationException", call, TargetShardCount=0, **arguments)
    fails("ValidationException", call, StreamName=name, TargetShardCount=4, ScalingType="MAGIC")


def test_writes_above_the_limit_are_refused_record_by_record(limited, make_limited_stream):
    name = make_limited_stream(1)
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 500
    results = []
    for _ in range(4):
        answer = limited.put_records(StreamName=name, Records=entries)
        codes = [record.get("ErrorCode") for record in answer["Records"]]
        assert answer["FailedRecordCount"] == len([code for code in codes if code])
        # Nothing is accepted behind a refused record of the same call.
        assert codes == sorted(codes, key=lambda code: code is not None)
        results += answer["Records"]
    refused = [record for record in results if "ErrorCode" in record]
    assert 0 < len(refused) < 2000
    assert {record["ErrorCode"] for record in refused} == {"ProvisionedThroughputExceededException"}
    assert refused[0]["ErrorMessage"] == (
        f"Rate exceeded for shard shardId-000000000000 in stream {name} under account 000000000000."
    )
    large = {"StreamName": name, "Data": b"x" * 1_000_000, "PartitionKey": "k"}
    for _ in range(3):
        try:
            limited.put_record(**large)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
            break
    else:
        raise AssertionError("three megabytes within a second were accepted")


def test_a_shard_answers_five_reads_a_second(limited, make_limited_stream):
    name = make_limited_stream(1)
    at = iterator(limited, name, "shardId-000000000000")
    began = time.monotonic()
    for _ in range(5):
        limited.get_records(ShardIterator=at)
    if time.monotonic() - began < 0.2:
        fails("ProvisionedThroughputExceededException", limited.get_records, ShardIterator=at)


def test_control_calls_have_rates_of_their_own(limited, make_limited_stream):
    name = make_limited_stream(1)
    for _ in range(40):
        try:
            limited.describe_stream(StreamName=name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "LimitExceededException"
            assert error.response["Error"]["Message"] == "Rate exceeded for account 000000000000."
            break
    else:
        raise AssertionError("forty descriptions were given at once")
    for _ in range(20):
        try:
            iterator(limited, name, "shardId-000000000000")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
            break
    else:
        raise AssertionError("twenty iterators were given at once")
    time.sleep(1.1)
    limited.describe_stream(StreamName=name)


def test_a_tag_lifts_the_limits_of_a_stream(limited, make_limited_stream):
    name = make_limited_stream(1)
    fails("InvalidArgumentException", limited.add_tags_to_stream, StreamName=name, Tags={"hailstream:limits": "off"})
    limited.add_tags_to_stream(StreamName=name, Tags={"hailstream:limits": "unlimited"})
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 500
    assert sum(limited.put_records(StreamName=name, Records=entries)["FailedRecordCount"] for _ in range(6)) == 0
    limited.update_shard_count(StreamName=name, TargetShardCount=5, ScalingType="UNIFORM_SCALING")
