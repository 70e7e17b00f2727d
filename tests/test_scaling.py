"""Scaling on a running platform: a stream that is too small, policies through every door, and what they decided."""

import datetime
import json
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import BINARY, wait_for

WORDS = {"ServiceNamespace": "custom-resource", "ScalableDimension": "custom-resource:ResourceType:Property"}


def autoscaling(platform):
    return boto3.client(
        "application-autoscaling", endpoint_url=platform.addresses["aws"], region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))


def scaling(platform, *args, code=0):
    run = subprocess.run([BINARY, "scaling", *map(str, args), "--console", platform.addresses["console"]],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stdout if code == 0 else run.stderr


def pipeline(platform):
    return platform.console("/api/pipeline")


def test_a_stream_that_is_too_small_is_scaled_with_its_application_until_the_lag_is_gone(start, tmp_path):
    platform = start("--shards", 2, "--parallelism", 1, "--speedup", 1800, "--headless", command="demo")
    name = pipeline(platform)["application"]["name"]
    # The law is what this test pretends an application can do: a real one does a hundred times as much.
    policy = {"rule": {"joint": {"capacity": {"c": 1200.0, "sigma": 0.0, "kappa": 0.0}}}, "bounds": {"kpus_max": 8}}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    wait_for(lambda: pipeline(platform)["stream"]["throttled_per_s"] > 0, "the stream to be too small")
    scaling(platform, "policy", f"application/{name}", "--set", tmp_path / "policy.json")

    def scaled():
        now = pipeline(platform)
        return now["stream"]["open_shards"] >= 4 and now["application"]["parallelism"] >= 2
    wait_for(scaled, "more shards and slots")

    def caught_up():
        now = pipeline(platform)
        return now["stream"]["throttled_per_s"] == 0 and (now["application"]["millis_behind_latest"] or 0) < 1_000
    wait_for(caught_up, "the lag to be gone")
    # Until then the rule of the stack has told what it would do.
    decisions = [decision for decision in platform.console("/api/sizes")["decisions"] if decision["state"] != "dry-run"]
    assert decisions and all(d["state"] in ("done", "acting", "refused") for d in decisions), decisions
    first = decisions[-1]
    assert first["rule"] == "joint" and first["account"]["reason"] and first["account"]["formula"], first
    assert first["account"]["inputs"] and first["account"]["otherwise"], first
    steps = [step for decision in decisions for step in decision["steps"]]
    assert any("shards" in step for step in steps) and any("scale" in step for step in steps), steps
    assert f"application/{name} joint" in scaling(platform, "decisions")
    told = [json.loads(line) for line in scaling(platform, "decisions", "--json", "--limit", 1).splitlines()]
    assert told[0]["id"] >= first["id"]
    # What was decided is kept through an end.
    assert platform.end() == 0, platform.log_text()
    again = start("--headless", command="demo")
    assert first["id"] in [decision["id"] for decision in again.console("/api/sizes")["decisions"]]
    assert platform.data_dir == again.data_dir


def test_policies_come_and_go_and_wrong_ones_are_refused(start, tmp_path):
    platform = start()
    scaling(platform, "policy", "stream/trips")
    assert json.loads(scaling(platform, "policy"))["subject"] == "stream/trips"
    scaling(platform, "policy", "stream/trips", "--remove")
    assert scaling(platform, "policy") == ""
    assert "no scaling policy stream/trips" in scaling(platform, "policy", "stream/trips", "--remove", code=3)
    (tmp_path / "wrong.json").write_text('{"bounds": {"parallelism_max": 900}}')
    told = scaling(platform, "policy", "application/x", "--set", tmp_path / "wrong.json", code=1)
    assert "parallelism_min and parallelism_max must be 1 to 256" in told
    assert "neither application/NAME nor stream/NAME" in scaling(platform, "policy", "trips", code=1)


def test_a_real_client_registers_targets_and_policies(start):
    platform = start()
    client = autoscaling(platform)
    trips = {**WORDS, "ResourceId": "stream/trips"}
    arn = client.register_scalable_target(**trips, MinCapacity=1, MaxCapacity=8, Tags={"team": "taxi"})["ScalableTargetARN"]
    target = client.describe_scalable_targets(ServiceNamespace="custom-resource")["ScalableTargets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (1, 8, arn)
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "taxi"}
    steps = {"AdjustmentType": "ChangeInCapacity", "Cooldown": 60,
             "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}]}
    put = client.put_scaling_policy(**trips, PolicyName="up", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps)
    assert put["PolicyARN"].endswith("policyName/up") and put["Alarms"] == []
    tracked = {"TargetValue": 70.0, "CustomizedMetricSpecification": {
        "MetricName": "WriteUtilization", "Namespace": "AWS/Kinesis", "Statistic": "Average"}}
    client.put_scaling_policy(**trips, PolicyName="use", PolicyType="TargetTrackingScaling",
                              TargetTrackingScalingPolicyConfiguration=tracked)
    names = [p["PolicyName"] for p in client.describe_scaling_policies(ServiceNamespace="custom-resource")["ScalingPolicies"]]
    assert names == ["up", "use"]
    client.put_scheduled_action(**trips, ScheduledActionName="morning", Schedule="cron(0 8 * * ? *)",
                                ScalableTargetAction={"MinCapacity": 4})
    action = client.describe_scheduled_actions(ServiceNamespace="custom-resource")["ScheduledActions"][0]
    assert action["ScalableTargetAction"] == {"MinCapacity": 4}
    with pytest.raises(ClientError) as refused:
        client.put_scaling_policy(**{**trips, "ResourceId": "stream/other"}, PolicyName="x", PolicyType="StepScaling",
                                  StepScalingPolicyConfiguration=steps)
    assert refused.value.response["Error"]["Code"] == "ObjectNotFoundException"
    with pytest.raises(ClientError) as refused:
        client.register_scalable_target(ServiceNamespace="ecs", ResourceId="service/a/b",
                                        ScalableDimension="ecs:service:DesiredCount", MinCapacity=1, MaxCapacity=2)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    client.deregister_scalable_target(**trips)
    assert client.describe_scaling_policies(ServiceNamespace="custom-resource")["ScalingPolicies"] == []


def test_a_scheduled_action_scales_a_stream(start):
    platform = start("--unlimited")
    kinesis, client = platform.kinesis(), autoscaling(platform)
    kinesis.create_stream(StreamName="trips", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="trips", WaiterConfig={"Delay": 1})
    trips = {**WORDS, "ResourceId": "stream/trips"}
    client.register_scalable_target(**trips, MinCapacity=1, MaxCapacity=8)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    client.put_scheduled_action(**trips, ScheduledActionName="soon", Schedule=soon.strftime("at(%Y-%m-%dT%H:%M:%S)"),
                                ScalableTargetAction={"MinCapacity": 4})
    count = lambda: kinesis.describe_stream_summary(StreamName="trips")["StreamDescriptionSummary"]["OpenShardCount"]
    wait_for(lambda: count() == 4, "the schedule to be followed")
    activity = client.describe_scaling_activities(ServiceNamespace="custom-resource")["ScalingActivities"][0]
    assert activity["ResourceId"] == "stream/trips" and "soon" in activity["Cause"], activity
    assert client.describe_scheduled_actions(ServiceNamespace="custom-resource")["ScheduledActions"] == []


def test_calibration_says_thirteen_shards_for_the_reference(tmp_path):
    script = tmp_path / "taxi.sql"
    script.write_text("""
        CREATE TABLE trips (`type` STRING, pickup_latitude DOUBLE, dropoff_datetime TIMESTAMP_LTZ(3),
          WATERMARK FOR dropoff_datetime AS dropoff_datetime - INTERVAL '1' SECOND)
          WITH ('connector'='kinesis','stream'='trips','format'='json','json.timestamp-format.standard'='ISO-8601');
        CREATE TABLE counted (n BIGINT, ts TIMESTAMP_LTZ(3)) WITH ('connector'='blackhole');
        INSERT INTO counted SELECT COUNT(*), window_end
          FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;""")
    page = tmp_path / "report.html"
    command = [BINARY, "calibrate", script, "--rows", "20000", "--time", "8"]
    run = subprocess.run([*command, "--json", "--html", page], capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    sizes = dict(zip(report["rates"], report["sizes"]))
    assert sizes[13_000]["shards"] == 13
    assert any(line.startswith("8 shards take 8000") and "falls behind" in line for line in report["shards"])
    assert any(line.startswith("16 shards take 16000") for line in report["shards"])
    configuration = report["paste"]["ParallelismConfiguration"]
    assert configuration["ConfigurationType"] == "CUSTOM" and 1 <= configuration["Parallelism"] <= 256
    assert report["law"]["c"] > 0 and all(point["rates"] for point in report["points"])
    text = page.read_text()
    assert "<svg" in text and "http://" not in text and "https://" not in text
    wrong = subprocess.run([BINARY, "calibrate", "verify", script, "--rows", "2000"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "name one --rate" in wrong.stderr
