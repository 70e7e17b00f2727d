"""What is controlled on a bad day: a disk that is full or fails under the database and the metrics, and a damaged database."""

import collections
import datetime
import errno
import os
import re
import signal
import subprocess
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import BINARY, ROOT, wait_for
from trips import check

FAULTS = {"full": errno.ENOSPC, "broken": errno.EIO}


class Disk:
    """Fails under the paths that it is told, for a platform that was started with its environment."""

    def __init__(self, folder):
        library, self.plan = folder / "faults.so", folder / "plan"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "tests" / "faults.c", "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "FAULT_FILE": str(self.plan)}

    def fail(self, number, part):
        # As a whole: none reads half a plan.
        (self.plan.parent / "next").write_text(f"{number} {part}\n")
        os.rename(self.plan.parent / "next", self.plan)

    def heal(self):
        self.plan.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return Disk(tmp_path_factory.mktemp("disk"))


@pytest.fixture(autouse=True)
def healed(disk):
    yield
    disk.plan.unlink(missing_ok=True)


def client(platform, service):
    # The region is that of an AWS that is not there.
    return boto3.client(service, endpoint_url=platform.addresses["aws"], region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))


def alarm(cloudwatch, name, **more):
    cloudwatch.put_metric_alarm(**{
        "AlarmName": name, "Namespace": "Live", "MetricName": "Lag", "Statistic": "Maximum", "Period": 10, "EvaluationPeriods": 1,
        "Threshold": 100.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching", **more})


def state_of(cloudwatch, name):
    return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def lines(platform, part):
    return [line for line in platform.log_text().splitlines() if part in line]


def readings(platform):
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics", timeout=30) as answer:
        return answer.read().decode()


def records_in(platform):
    return float(re.search(r"^hailstream_application_records_in_total\{[^}]*\} (\S+)$", readings(platform), re.M)[1])


@pytest.mark.parametrize("how", FAULTS)
def test_what_the_database_cannot_keep_is_refused_and_all_else_goes_on(start, disk, generated, how):
    platform = start("--trips", generated[0], "--speedup", "1200", "--unlimited", "--headless", command="demo",
                     environment=disk.environment)
    cloudwatch, analytics = client(platform, "cloudwatch"), client(platform, "kinesisanalyticsv2")
    platform.kinesis().create_stream(StreamName="other", ShardCount=1)
    alarm(cloudwatch, "kept")
    wait_for(lambda: state_of(cloudwatch, "kept") == "OK", "the alarm to be evaluated")
    before = records_in(platform)
    disk.fail(FAULTS[how], "/control/")
    for call in (lambda: alarm(cloudwatch, "new"),
                 lambda: cloudwatch.delete_alarms(AlarmNames=["kept"]),
                 lambda: cloudwatch.put_dashboard(DashboardName="d", DashboardBody='{"widgets":[]}'),
                 lambda: analytics.stop_application(ApplicationName="taxi", Force=True)):
        refused = pytest.raises(ClientError, call).value
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, refused
        assert "control.db" in str(refused) and ("room on its disk" if how == "full" else "after its disk") in str(refused), refused
    assert [a["AlarmName"] for a in cloudwatch.describe_alarms()["MetricAlarms"] if a["AlarmName"] in ("kept", "new")] == ["kept"]
    # What was to be told of the alarm cannot be kept: it is judged again until it can.
    cloudwatch.put_metric_data(Namespace="Live", MetricData=[{"MetricName": "Lag", "Value": 500.0}])
    wait_for(lambda: lines(platform, "this is told once"), "the log to tell it")
    assert state_of(cloudwatch, "kept") == "OK", "nothing is acted upon that is not kept"
    wait_for(lambda: records_in(platform) > before, "the application to go on")
    platform.kinesis().put_record(StreamName="other", Data=b"{}", PartitionKey="k")
    assert "hailstream_process_memory_bytes" in readings(platform)
    time.sleep(3)
    assert len(lines(platform, "this is told once")) <= 2, "it is told once, not once a second"
    disk.heal()
    alarm(cloudwatch, "kept", Threshold=50.0)
    alarm(cloudwatch, "new")
    cloudwatch.put_metric_data(Namespace="Live", MetricData=[{"MetricName": "Lag", "Value": 500.0}])
    wait_for(lambda: state_of(cloudwatch, "kept") == "ALARM", "the alarm to be judged again")
    wait_for(lambda: lines(platform, "this is over"), "the log to tell that it is over")
    platform.console("/api/replay/speed", {"speedup": None})
    check(platform, generated[1])
    assert "panicked" not in platform.log_text()
    # What was acknowledged is there after a kill, and nothing else.
    platform.end(signal.SIGKILL)
    again = start("--trips", generated[0], "--headless", "--unlimited", command="demo")
    kept = {a["AlarmName"]: a["Threshold"] for a in client(again, "cloudwatch").describe_alarms()["MetricAlarms"]}
    assert (kept["kept"], kept["new"]) == (50.0, 100.0), kept
    assert client(again, "cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert again.end() == 0, again.log_text()


@pytest.mark.parametrize("how", FAULTS)
def test_metrics_that_the_disk_does_not_take_stay_in_memory_and_alarms_go_on(start, disk, how):
    platform = start(environment=disk.environment)
    cloudwatch = client(platform, "cloudwatch")
    alarm(cloudwatch, "lag")
    disk.fail(FAULTS[how], "/metrics/")

    def put(value):
        try:
            cloudwatch.put_metric_data(Namespace="Live", MetricData=[{"MetricName": "Lag", "Value": value}])
        except ClientError as refused:
            assert "/metrics/" in str(refused) and "500" in str(refused.response["ResponseMetadata"]["HTTPStatusCode"]), refused

    put(500.0)
    wait_for(lambda: state_of(cloudwatch, "lag") == "ALARM", "the alarm, whose number is in memory")
    told = wait_for(lambda: lines(platform, "this is told once"), "the log to tell it")
    assert "/metrics/" in told[0]
    assert "hailstream_process_memory_bytes" in readings(platform)
    time.sleep(3)
    # Two files of each stretch of five minutes do not take anything, and a new stretch may have begun meanwhile.
    failures = [line.rsplit("error=", 1)[1] for line in lines(platform, "this is told once")]
    stretches = collections.Counter(re.search(r"(\d+)\.\w+: ", failure)[1] for failure in failures)
    assert len(set(failures)) == len(failures) and len(stretches) <= 2 and max(stretches.values()) <= 2, failures
    disk.heal()
    wait_for(lambda: lines(platform, "this is over"), "the log to tell that it is over")
    put(700.0)
    assert "panicked" not in platform.log_text()
    platform.end(signal.SIGKILL)
    again = start()
    now = datetime.datetime.now(datetime.timezone.utc)
    values = client(again, "cloudwatch").get_metric_statistics(
        Namespace="Live", MetricName="Lag", StartTime=now - datetime.timedelta(minutes=10), EndTime=now + datetime.timedelta(minutes=1),
        Period=600, Statistics=["Maximum"])["Datapoints"]
    assert max(value["Maximum"] for value in values) == 700.0, "what came when the disk took it again is there"
    assert again.end() == 0, again.log_text()


def test_a_damaged_database_is_told_with_what_to_do(start):
    platform = start()
    for number in range(40):
        alarm(client(platform, "cloudwatch"), f"alarm-{number}", AlarmDescription="x" * 500)
    assert platform.end() == 0
    path = platform.data_dir / "data" / "control" / "control.db"
    whole = path.read_bytes()
    page = 4096

    def flipped(at):
        return whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:]

    damages = {"a page is missing": whole[:-page], "half of it is missing": whole[:len(whole) // 2], "no magic": flipped(3),
               "a wrong kind of page": flipped(page), "another page": whole[:2 * page] + whole[page:2 * page] + whole[3 * page:],
               "zeros": whole[:2 * page] + bytes(page) + whole[3 * page:]}
    for what, damaged in damages.items():
        path.write_bytes(damaged)
        assert not path.with_name("control.db-wal").exists() or not path.with_name("control.db-wal").stat().st_size
        run = subprocess.run([BINARY, "serve", "--data-dir", platform.data_dir / "data", "--aws-port", "0", "--search-port", "0",
                              "--console-port", "0"], capture_output=True, text=True, timeout=60)
        assert run.returncode not in (0, 101) and "panicked" not in run.stderr, (what, run.stderr)
        assert "control.db is damaged" in run.stderr and "put a copy from before in its place" in run.stderr, (what, run.stderr)
        assert path.read_bytes() == damaged, f"{what}: nothing was changed"
    # What the message advises helps: a copy, or nothing at all.
    path.write_bytes(whole)
    again = start()
    assert len(client(again, "cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]) == 40
    assert again.end() == 0
    path.unlink()
    empty = start()
    assert client(empty, "cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert empty.end() == 0
