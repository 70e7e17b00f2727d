"""What an application cannot use is kept in streams of its own: records that it cannot read, and rows that come too late."""

import json

from hailstream import wait_for


def records(kinesis, stream):
    """All records of a stream of one shard, as JSON; none while it is not there."""
    if stream not in kinesis.list_streams()["StreamNames"]:
        return []
    if kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        return []
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    answer = kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=10_000)
    return [json.loads(record["Data"]) for record in answer["Records"]]


def test_bad_records_and_late_trips_are_kept_and_can_be_read_again(start, generated):
    platform = start("--trips", generated[0], "--speedup", "7200", "--unlimited", "--headless", command="demo")
    kinesis = platform.kinesis()

    def application():
        return platform.console("/api/pipeline")["application"]

    wait_for(lambda: (application()["watermark_ms"] or 0) > 0, "a watermark")
    late = {
        "type": "trip", "trip_id": 1, "pickup_datetime": "2001-01-01T00:00:00.000Z",
        "dropoff_datetime": "2001-01-01T00:30:00.000Z", "pickup_latitude": 40.758, "pickup_longitude": -73.9855,
        "dropoff_latitude": 40.6413, "dropoff_longitude": -73.7781,
    }
    kinesis.put_record(StreamName="trips", PartitionKey="k", Data=json.dumps(late))
    kinesis.put_record(StreamName="trips", PartitionKey="k", Data=b'{"type": "trip", "trip_id": tw\xff')
    bad = wait_for(lambda: records(kinesis, "taxi-dead-letters"), "the record that cannot be read")
    assert bad[0]["record_hex"] == b'{"type": "trip", "trip_id": tw\xff'.hex()
    assert (bad[0]["application"], bad[0]["table"]) == ("taxi", "trips") and bad[0]["reason"]
    rows = wait_for(lambda: (lambda all: all if len(all) >= 2 else None)(records(kinesis, "taxi-late")), "the late rows")
    assert {row["_operator"].rsplit(" ", 1)[0] for row in rows} == {"window aggregate"}
    # 2001-01-01T01:00 ends the window that both aggregations had for it.
    assert {row["_window_end_ms"] for row in rows} == {978_310_800_000}
    assert any("dr5ru" in json.dumps(row) for row in rows), rows
    assert application()["late_windows"][-1] == {"end_ms": 978_310_800_000, "count": 2}
    assert application()["late"] >= 2 and application()["bad"] >= 1
