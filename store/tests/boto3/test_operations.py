"""Consumers, modes, encryption, monitoring, policies and record sizes, as boto3 sees them; and that no operation is missing."""

import json
import time

import pytest
from door import fails, iterator, raw, wait_active

SHARD = "shardId-000000000000"
METRICS = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
]


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def settled_consumer(kinesis, arn):
    for _ in range(400):
        consumer = kinesis.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]
        if consumer["ConsumerStatus"] == "ACTIVE":
            return consumer
        time.sleep(0.02)
    raise AssertionError(consumer)


def test_every_operation_of_the_public_model_is_known(kinesis, endpoint):
    def known(operation):
        return b"UnknownOperation" not in raw(endpoint, f"Kinesis_20131202.{operation}", body=b'{"StreamARN": "x"}')[1]

    # Channels are a service beside streams at a host of its own, and how records are spread without keys is theirs too.
    others = ("Channel", "RecordDistribution")
    names = kinesis.meta.service_model.operation_names
    operations = {name for name in names if not any(other in name for other in others)}
    assert len(operations) == 39
    assert [operation for operation in operations if not known(operation)] == []
    assert not known("MakeCoffee")


def test_a_consumer_is_registered_described_listed_and_removed(kinesis, make_stream):
    name = make_stream(1)
    arn = summary(kinesis, name)["StreamARN"]
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="map", Tags={"team": "day"})["Consumer"]
    created = int(made["ConsumerCreationTimestamp"].timestamp())
    assert (made["ConsumerName"], made["ConsumerStatus"]) == ("map", "CREATING")
    assert made["ConsumerARN"] == f"{arn}/consumer/map:{created}"
    assert "already exists" in fails("ResourceInUseException", kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="map")
    found = settled_consumer(kinesis, made["ConsumerARN"])
    assert found["StreamARN"] == arn
    assert kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="map")["ConsumerDescription"] == found
    assert summary(kinesis, name)["ConsumerCount"] == 1
    tags = kinesis.list_tags_for_resource(ResourceARN=made["ConsumerARN"])["Tags"]
    assert tags == [{"Key": "team", "Value": "day"}]
    kinesis.untag_resource(ResourceARN=made["ConsumerARN"], TagKeys=["team"])
    assert kinesis.list_tags_for_resource(ResourceARN=made["ConsumerARN"])["Tags"] == []
    describe = kinesis.describe_stream_consumer
    assert "not found" in fails("ResourceNotFoundException", describe, StreamARN=arn, ConsumerName="none")
    assert "not found" in fails("ResourceNotFoundException", describe, ConsumerARN=made["ConsumerARN"] + "0")
    fails("InvalidArgumentException", describe, ConsumerName="map")
    fails("InvalidArgumentException", describe, ConsumerARN=made["ConsumerARN"], ConsumerName="other")
    assert "regular expression" in fails("ValidationException", describe, ConsumerARN="arn:x")
    kinesis.deregister_stream_consumer(ConsumerARN=made["ConsumerARN"])
    for _ in range(400):
        if summary(kinesis, name)["ConsumerCount"] == 0:
            break
        time.sleep(0.02)
    fails("ResourceNotFoundException", kinesis.deregister_stream_consumer, StreamARN=arn, ConsumerName="map")


def test_consumers_are_listed_page_by_page_and_are_twenty_at_most(kinesis, make_stream):
    name, other = make_stream(1), make_stream(1)
    arn = summary(kinesis, name)["StreamARN"]
    for i in range(20):
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"c{i:02}")
    message = fails("LimitExceededException", kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="one-more")
    assert "20" in message
    names, more = [], {}
    while True:
        page = kinesis.list_stream_consumers(StreamARN=arn, MaxResults=7, **more)
        names += [consumer["ConsumerName"] for consumer in page["Consumers"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert names == [f"c{i:02}" for i in range(20)]
    elsewhere = summary(kinesis, other)["StreamARN"]
    fails("InvalidArgumentException", kinesis.list_stream_consumers, StreamARN=elsewhere, **more)
    fails("InvalidArgumentException", kinesis.list_stream_consumers, StreamARN=arn, NextToken="nonsense")
    fails("ResourceNotFoundException", kinesis.list_stream_consumers, StreamARN=arn, StreamCreationTimestamp=1)


def test_a_stream_changes_its_mode_and_its_warm_throughput(kinesis, make_stream):
    name = make_stream(2)
    arn = summary(kinesis, name)["StreamARN"]
    mode = {"StreamMode": "ON_DEMAND"}
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=mode)
    assert wait_active(kinesis, name)["StreamModeDetails"] == mode
    assert "mode already" in fails("ValidationException", kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=mode)
    scale = {"StreamName": name, "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"}
    fails("ValidationException", kinesis.update_shard_count, **scale)
    settings = kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
    if settings["Status"] == "DISABLED":
        fails("ValidationException", kinesis.update_stream_warm_throughput, StreamARN=arn, WarmThroughputMiBps=5)
        change = kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
        settings = change["MinimumThroughputBillingCommitment"]
    assert settings["Status"].startswith("ENABLED") and settings["EarliestAllowedEndAt"] > settings["StartedAt"]
    warm = kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=5)
    assert warm["StreamName"] == name
    assert warm["WarmThroughput"] == {"TargetMiBps": 5, "CurrentMiBps": 2}
    assert wait_active(kinesis, name)["WarmThroughput"]["TargetMiBps"] == 5
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    assert "WarmThroughput" not in wait_active(kinesis, name)
    fails("ValidationException", kinesis.update_stream_warm_throughput, StreamARN=arn, WarmThroughputMiBps=5)
    fails("ValidationException", kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails={"StreamMode": "NO"})


def test_encryption_is_a_state_that_clients_see(kinesis, make_stream):
    name = make_stream(1)
    put = {"StreamName": name, "Data": b"x", "PartitionKey": "k"}
    assert "EncryptionType" not in kinesis.put_record(**put)
    assert summary(kinesis, name)["EncryptionType"] == "NONE"
    key = {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    kinesis.start_stream_encryption(StreamName=name, **key)
    found = wait_active(kinesis, name)
    assert (found["EncryptionType"], found["KeyId"]) == ("KMS", "alias/aws/kinesis")
    assert kinesis.put_record(**put)["EncryptionType"] == "KMS"
    assert kinesis.put_records(StreamName=name, Records=[{"Data": b"x", "PartitionKey": "k"}])["EncryptionType"] == "KMS"
    records = kinesis.get_records(ShardIterator=iterator(kinesis, name, SHARD))["Records"]
    assert [record.get("EncryptionType") for record in records] == [None, "KMS", "KMS"]
    kinesis.stop_stream_encryption(StreamName=name, **key)
    assert wait_active(kinesis, name)["EncryptionType"] == "NONE"
    fails("InvalidArgumentException", kinesis.stop_stream_encryption, StreamName=name, **key)
    fails("InvalidArgumentException", kinesis.start_stream_encryption, StreamName=name, EncryptionType="NONE", KeyId="k")
    fails("ValidationException", kinesis.start_stream_encryption, StreamName=name, EncryptionType="KMS")


def test_shards_are_measured_one_by_one_where_wanted(kinesis, make_stream):
    name = make_stream(1)
    assert summary(kinesis, name)["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"])
    assert answer["CurrentShardLevelMetrics"] == []
    assert sorted(answer["DesiredShardLevelMetrics"]) == ["IncomingBytes", "OutgoingBytes"]
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert sorted(answer["DesiredShardLevelMetrics"]) == METRICS
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    assert len(answer["CurrentShardLevelMetrics"]) == 7 and "IncomingBytes" not in answer["DesiredShardLevelMetrics"]
    kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert summary(kinesis, name)["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    fails("ValidationException", kinesis.enable_enhanced_monitoring, StreamName=name, ShardLevelMetrics=["Steps"])


@pytest.mark.parametrize("of", ["stream", "consumer"])
def test_a_policy_is_kept_and_given_back_as_it_was(kinesis, make_stream, of):
    name = make_stream(1)
    arn = summary(kinesis, name)["StreamARN"]
    if of == "consumer":
        arn = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="map")["Consumer"]["ConsumerARN"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kinesis:GetRecords", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    fails("ResourceNotFoundException", kinesis.get_resource_policy, ResourceARN=arn)
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy
    for wrong in ["{", "{}", json.dumps({"Statement": [{"Effect": "Allow"}]})]:
        assert "malformed" in fails("InvalidArgumentException", kinesis.put_resource_policy, ResourceARN=arn, Policy=wrong)
    kinesis.delete_resource_policy(ResourceARN=arn)
    fails("ResourceNotFoundException", kinesis.delete_resource_policy, ResourceARN=arn)
    fails("ResourceNotFoundException", kinesis.put_resource_policy, ResourceARN=arn.replace(name, "none"), Policy=policy)


def test_a_stream_takes_larger_records_when_told_to(kinesis, make_stream):
    name = make_stream(1)
    arn = summary(kinesis, name)["StreamARN"]
    large = {"StreamName": name, "Data": b"x" * 3_000_000, "PartitionKey": "k"}
    fails("ValidationException", kinesis.put_record, **large)
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10_240)
    assert wait_active(kinesis, name)["MaxRecordSizeInKiB"] == 10_240
    kinesis.put_record(**large)
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name, SHARD))
    assert [len(record["Data"]) for record in answer["Records"]] == [3_000_000]
    for wrong in [1_023, 10_241]:
        fails("ValidationException", kinesis.update_max_record_size, StreamARN=arn, MaxRecordSizeInKiB=wrong)
    other = make_stream(1, MaxRecordSizeInKiB=2_048)
    assert summary(kinesis, other)["MaxRecordSizeInKiB"] == 2_048


@pytest.mark.parametrize("stream_id, status", [("abcdefghij0123456789-a1b", 200), ("short", 400)])
def test_the_reserved_second_name_of_a_stream_is_looked_at(endpoint, make_stream, stream_id, status):
    # The client itself would send such a request to a host of that name.
    body = json.dumps({"StreamName": make_stream(1), "StreamId": stream_id}).encode()
    found, answer, _ = raw(endpoint, "Kinesis_20131202.DescribeStreamSummary", body=body)
    assert found == status and (status == 200 or b"at 'streamId' failed to satisfy constraint" in answer)


def test_a_stream_with_consumers_is_deleted_only_when_that_is_enforced(kinesis, make_stream):
    name = make_stream(1)
    kinesis.register_stream_consumer(StreamARN=summary(kinesis, name)["StreamARN"], ConsumerName="reader")
    for flag in ({}, {"EnforceConsumerDeletion": False}):
        with pytest.raises(kinesis.exceptions.ResourceInUseException, match="1 registered consumers"):
            kinesis.delete_stream(StreamName=name, **flag)
    # The fixture deletes it with its consumer.
    assert summary(kinesis, name)["ConsumerCount"] == 1
