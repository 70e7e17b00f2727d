"""The spike, from end to end: a stream that is too small, its shards doubled, an application that falls behind, and a rule that
brings the lag back to nothing; with the metrics, decisions and happenings that tell of it."""

import datetime

from hailstream import wait_for


def test_the_spike_is_absorbed_recorded_and_explained(start):
    platform = start("--shards", "2", "--speedup", "20000", "--kpu-records-per-s", "1500", "--headless", command="demo")
    began = datetime.datetime.now(datetime.timezone.utc)

    def pipeline():
        return platform.console("/api/pipeline")

    wait_for(lambda: pipeline()["stream"]["throttled_per_s"] > 0, "the stream to be too small")
    rule = platform.console("/api/scaling?seconds=900")["policies"][0]
    assert (rule["subject"], rule["mode"]) == ("application/taxi", "dry_run")
    platform.console("/api/stream/shards", {"count": 4})
    wait_for(lambda: pipeline()["stream"]["open_shards"] == 4, "twice the shards")
    behind = wait_for(lambda: (pipeline()["application"]["millis_behind_latest"] or 0) > 3_000, "the application to fall behind")
    assert behind and pipeline()["application"]["parallelism"] == 1, "a dry run changes nothing"
    told = platform.console("/api/scaling?seconds=900")["decisions"]
    assert told and {decision["outcome"] for decision in told} == {"dry_run"}

    platform.console("/api/scaling/mode", {"subject": "application/taxi", "mode": "on"})
    wait_for(lambda: pipeline()["application"]["parallelism"] >= 2, "more KPUs")

    def caught_up():
        # Nobody knows it while the job is moved to more subtasks.
        behind_ms = pipeline()["application"]["millis_behind_latest"]
        return behind_ms is not None and behind_ms < 1_000

    wait_for(caught_up, "the lag to go")
    acted = [decision for decision in platform.console("/api/scaling?seconds=900")["decisions"] if decision["outcome"] in ("under_way", "done")]
    assert any("parallelism" in decision["what"] for decision in acted), acted
    assert all(decision["reason"] and decision["formula"] and decision["inputs"] for decision in acted)

    now_ms = int(datetime.datetime.now().timestamp() * 1_000)
    happened = platform.console(f"/api/timeline?from=0&to={now_ms + 60_000}")["events"]
    kinds = {(event["kind"], event["subject"]) for event in happened}
    assert {("throttle", "stream/trips"), ("reshard", "stream/trips"), ("scaling", "application/taxi")} <= kinds, kinds

    def most(metric, namespace, dimension):
        answer = platform.client("cloudwatch").get_metric_statistics(
            Namespace=namespace, MetricName=metric, Dimensions=[dimension], StartTime=began - datetime.timedelta(minutes=1),
            EndTime=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1), Period=60, Statistics=["Maximum"])
        return max((point["Maximum"] for point in answer["Datapoints"]), default=None)

    application = {"Name": "Application", "Value": "taxi"}
    assert most("KPUs", "AWS/KinesisAnalytics", application) >= 2
    assert most("millisBehindLatest", "AWS/KinesisAnalytics", application) > 3_000
    assert most("WriteProvisionedThroughputExceeded", "AWS/Kinesis", {"Name": "StreamName", "Value": "trips"}) > 0
    points = platform.console("/api/scaling?seconds=900")["points"]
    assert max(point["kpus"] or 0 for point in points) >= 2 and max(point["shards"] or 0 for point in points) >= 4
