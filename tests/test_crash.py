"""Kill -9 in the middle of puts: every acknowledged record is there afterwards, in order."""

import signal
import threading

from hailstream import wait_for


def put_until_dead(client, stream, writer, acknowledged):
    """Puts numbered records as fast as they are taken; notes what was acknowledged, shard by shard, in order."""
    number = 0
    while True:
        entries = [{"Data": f"{writer}:{number + i}".encode(), "PartitionKey": f"{writer}-{(number + i) % 50}"}
                   for i in range(200)]
        try:
            answer = client.put_records(StreamName=stream, Records=entries)
        except Exception:  # The platform was killed: whatever the client says, nothing of this put was acknowledged.
            return
        for entry, result in zip(entries, answer["Records"]):
            if "SequenceNumber" in result:
                acknowledged.append((result["ShardId"], int(result["SequenceNumber"]), entry["Data"]))
        number += len(entries)


def read_all(client, stream):
    """Every record of every shard, in the order in which the shard gives them."""
    found = {}
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = found.setdefault(shard["ShardId"], [])
        while iterator:
            answer = client.get_records(ShardIterator=iterator, Limit=10_000)
            records += [(int(r["SequenceNumber"]), r["Data"]) for r in answer["Records"]]
            if answer["MillisBehindLatest"] == 0 and not answer["Records"]:
                break
            iterator = answer.get("NextShardIterator")
    return found


def test_nothing_acknowledged_is_lost_by_a_kill(start):
    platform = start("--unlimited")
    platform.kinesis().create_stream(StreamName="ledger", ShardCount=4)
    platform.kinesis().get_waiter("stream_exists").wait(StreamName="ledger", WaiterConfig={"Delay": 1})
    ledgers = [[] for _ in range(3)]
    acknowledged_before = 0
    for _ in range(3):
        writers = [threading.Thread(target=put_until_dead, args=(platform.kinesis(), "ledger", f"{acknowledged_before}-{w}", ledgers[w]))
                   for w in range(3)]
        for writer in writers:
            writer.start()
        wait_for(lambda: sum(map(len, ledgers)) > acknowledged_before + 5_000, "records to be acknowledged")
        platform.end(signal.SIGKILL)
        for writer in writers:
            writer.join()
        acknowledged_before = sum(map(len, ledgers))
        platform = start("--unlimited")

    found = read_all(platform.kinesis(), "ledger")
    for shard, records in found.items():
        numbers = [number for number, _ in records]
        assert numbers == sorted(set(numbers)), f"{shard} is not in order"
    there = {(shard, number, data) for shard, records in found.items() for number, data in records}
    lost = [entry for ledger in ledgers for entry in ledger if entry not in there]
    assert not lost, f"{len(lost)} of {acknowledged_before} acknowledged records are lost, such as {lost[:3]}"
    datas = [data for _, _, data in there]
    assert len(datas) == len(set(datas)), "a record is there twice"
