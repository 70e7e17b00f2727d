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
