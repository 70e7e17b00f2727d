"""Kill -9 during everything that is controlled: afterwards what was acknowledged is kept and acted upon, nothing twice."""

import json
import random
import signal
import subprocess
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hailstream import BINARY, wait_for
from test_apply import SCRIPT, STACK

KILLS = 20


class Driver:
    """Gives orders to one platform until it is killed, and notes what was acknowledged and what was asked last."""

    def __init__(self, folder):
        self.folder, self.dice = folder, random.Random(11)
        self.number, self.acknowledged, self.asked = 0, {}, {}
        (folder / "revenue.sql").write_text(SCRIPT)

    def next(self):
        self.number += 1
        return self.number

    def order(self, what, value, call):
        self.asked.setdefault(what, []).append(value)
        call()
        # What is acknowledged makes what was asked before it, and not acknowledged, impossible.
        self.acknowledged[what], self.asked[what] = value, []

    def possible(self, what):
        return [self.acknowledged.get(what), *self.asked.get(what, [])]

    def client(self, platform, service):
        config = Config(retries={"max_attempts": 0}, read_timeout=30, connect_timeout=5)
        return boto3.client(service, endpoint_url=platform.addresses["aws"], region_name="us-east-1", config=config,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def apply(self, platform, least):
        file = self.folder / "stack.yaml"
        file.write_text(STACK.format(shards=1, parallelism=1, running="true", least=least))
        done = subprocess.run([BINARY, "apply", file, "--console", platform.addresses["console"]], capture_output=True, timeout=60)
        if done.returncode != 0:
            raise ConnectionError(done.stderr)

    def alarms(self, platform):
        client = self.client(platform, "cloudwatch")
        while True:
            for name in ("a", "b"):
                number = self.next()
                self.order(f"alarm {name}", float(number), lambda: client.put_metric_alarm(
                    AlarmName=name, Namespace="N", MetricName="M", Statistic="Sum", Period=60, EvaluationPeriods=1,
                    Threshold=float(number), ComparisonOperator="GreaterThanThreshold"))
                client.set_alarm_state(AlarmName=name, StateValue=self.dice.choice(["OK", "ALARM"]), StateReason="drill")

    def scalings(self, platform):
        client = self.client(platform, "application-autoscaling")
        words = {"ServiceNamespace": "custom-resource", "ScalableDimension": "custom-resource:ResourceType:Property",
                 "ResourceId": "application/revenue"}
        while True:
            least = self.dice.randint(1, 3)
            # A size below the least one is a decision of its own.
            self.order("least", least, lambda: client.register_scalable_target(**words, MinCapacity=least, MaxCapacity=4))
            time.sleep(0.3)

    def updates(self, platform):
        while True:
            least = self.next()
            self.order("applied", least, lambda: self.apply(platform, least))
            time.sleep(0.1)

    def live(self, platform, seconds):
        threads = [threading.Thread(target=self.until_dead, args=(work, platform)) for work in (self.alarms, self.scalings, self.updates)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        platform.end(signal.SIGKILL)
        for thread in threads:
            thread.join()

    def until_dead(self, work, platform):
        while platform.process.poll() is None:
            try:
                work(platform)
            except (BotoCoreError, ClientError, ConnectionError, subprocess.TimeoutExpired):
                # Refused, since another order is under way, or cut off: not acknowledged either way.
                time.sleep(0.05)


def test_what_is_wanted_is_acted_upon_after_twenty_kills(start, tmp_path):
    driver = Driver(tmp_path)
    platform = start("--unlimited")
    driver.apply(platform, 0)
    driver.acknowledged["applied"] = 0
    seen = []
    for _ in range(KILLS):
        driver.live(platform, driver.dice.uniform(0.4, 2.0))
        platform = start("--unlimited")
        decisions = platform.console("/api/sizes")["decisions"]
        ids = [decision["id"] for decision in decisions]
        assert ids == sorted(set(ids), reverse=True), "no decision has the number of another"
        assert not [d for d in decisions if d["state"] == "acting" and d["id"] in seen], "nothing of an earlier life is under way"
        assert set(seen) <= set(ids), "no decision is lost"
        seen = ids
    assert len(driver.acknowledged) == 4, driver.acknowledged
    alarms = {a["AlarmName"]: a["Threshold"] for a in driver.client(platform, "cloudwatch").describe_alarms()["MetricAlarms"]}
    for name, threshold in alarms.items():
        assert threshold in driver.possible(f"alarm {name}"), (name, threshold, driver.possible(f"alarm {name}"))
    target = driver.client(platform, "application-autoscaling").describe_scalable_targets(
        ServiceNamespace="custom-resource")["ScalableTargets"][0]
    assert target["MinCapacity"] in driver.possible("least"), (target, driver.possible("least"))

    def application():
        return platform.console("/api/application?application=revenue")

    wait_for(lambda: application()["state"] == "running", "what shall run to run")
    operations = platform.console("/api/application/operations?application=revenue")["operations"]
    assert len({operation["id"] for operation in operations}) == len(operations)
    wait_for(lambda: not [o for o in platform.console("/api/application/operations?application=revenue")["operations"]
                          if o["status"] == "IN_PROGRESS"], "no operation to be under way for ever")
    versions = platform.client("kinesisanalyticsv2").list_application_versions(ApplicationName="revenue")["ApplicationVersionSummaries"]
    numbers = [version["ApplicationVersionId"] for version in versions]
    assert len(numbers) == len(set(numbers))
    described = platform.client("kinesisanalyticsv2").describe_application(ApplicationName="revenue")["ApplicationDetail"]
    groups = described["ApplicationConfigurationDescription"]["EnvironmentPropertyDescriptions"]["PropertyGroupDescriptions"]
    kept = next(group["PropertyMap"]["least"] for group in groups if group["PropertyGroupId"] == "limits")
    assert int(kept) in driver.possible("applied"), (kept, driver.possible("applied"))
    # The stack can be applied again, and then all is as declared.
    driver.apply(platform, 7)
    planned = json.loads(subprocess.run([BINARY, "apply", tmp_path / "stack.yaml", "--plan", "--json", "--console", platform.addresses["console"]],
                                        capture_output=True, text=True, check=True).stdout)["steps"]
    assert [step["change"] for step in planned] == ["keep"] * 3, planned
    verified = subprocess.run([BINARY, "audit", "verify", "--data-dir", platform.data_dir / "data"], capture_output=True, text=True)
    assert verified.returncode == 0 and "the log is whole" in verified.stdout, verified.stdout + verified.stderr
    assert "panicked" not in platform.log_text()
    assert platform.end() == 0, platform.log_text()
