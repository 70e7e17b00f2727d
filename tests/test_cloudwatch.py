"""Metrics, alarms and dashboards by the clients that people have: boto3 in each of its protocols, the AWS CLI, plain HTTP."""

import datetime
import gzip
import http.server
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import BINARY, wait_for

PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def cloudwatch(platform, protocol=None):
    """A client; with a protocol one that knows only that, as older and newer ones do."""
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    loader = session._session.get_component("data_loader")
    if protocol:
        load = loader.load_service_model

        def only(service, kind, *args, **kwargs):
            model = load(service, kind, *args, **kwargs)
            if service == "cloudwatch" and kind == "service-2":
                model = {**model, "metadata": {**model["metadata"], "protocol": protocol, "protocols": [protocol]}}
            return model

        loader.load_service_model = only
    return session.client("cloudwatch", endpoint_url=platform.addresses["aws"], config=Config(retries={"max_attempts": 0}))


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def ago(**kwargs):
    return now() - datetime.timedelta(**kwargs)


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    from hailstream import Platform

    running = Platform(tmp_path_factory.mktemp("cloudwatch") / "platform")
    yield running
    assert running.end() == 0, running.log_text()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_tells_the_same(platform, protocol):
    client = cloudwatch(platform, protocol)
    space, dimensions = f"Test/{protocol}", [{"Name": "Door", "Value": "a <b> & c"}]
    minute = ago(minutes=10).replace(second=0, microsecond=0)
    client.put_metric_data(Namespace=space, MetricData=[
        {"MetricName": "Load", "Dimensions": dimensions, "Timestamp": minute + datetime.timedelta(minutes=n),
         "Values": [1.0, 2.0 * n + 1], "Counts": [1.0, 2.0], "Unit": "Milliseconds"} for n in range(5)])
    listed = client.list_metrics(Namespace=space)["Metrics"]
    assert listed == [{"Namespace": space, "MetricName": "Load", "Dimensions": dimensions}]
    points = client.get_metric_statistics(
        Namespace=space, MetricName="Load", Dimensions=dimensions, StartTime=minute, EndTime=now(), Period=60,
        Statistics=["Sum", "SampleCount", "Maximum"], ExtendedStatistics=["p50"])["Datapoints"]
    points.sort(key=lambda point: point["Timestamp"])
    assert [point["Sum"] for point in points] == [4.0 * n + 3 for n in range(5)]
    assert points[0]["Timestamp"] == minute and points[0]["Unit"] == "Milliseconds"
    assert points[4]["ExtendedStatistics"]["p50"] == pytest.approx(9.0, rel=0.02)
    metric = {"Namespace": space, "MetricName": "Load", "Dimensions": dimensions}
    queries = [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
               {"Id": "e1", "Expression": "SUM([m1, m1]) / 2", "Label": "load"}]
    result = client.get_metric_data(MetricDataQueries=queries, StartTime=minute, EndTime=now(), ScanBy="TimestampAscending")
    told = result["MetricDataResults"][0]
    assert (told["Id"], told["Label"], told["StatusCode"]) == ("e1", "load", "Complete")
    assert told["Values"] == [4.0 * n + 3 for n in range(5)] and told["Timestamps"][0] == minute
    name = f"alarm {protocol}"
    client.put_metric_alarm(
        AlarmName=name, Namespace=space, MetricName="Load", Dimensions=dimensions, Statistic="Maximum", Period=60,
        EvaluationPeriods=2, DatapointsToAlarm=1, Threshold=7.5, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching", Unit="Milliseconds", Tags=[{"Key": "team", "Value": "maps"}])
    alarm = client.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    assert (alarm["Threshold"], alarm["DatapointsToAlarm"], alarm["ActionsEnabled"]) == (7.5, 1, True)
    assert alarm["AlarmConfigurationUpdatedTimestamp"] > ago(minutes=5) and alarm["Dimensions"] == dimensions
    assert client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "maps"}]
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="<drill>")
    items = client.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert items[0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    client.put_dashboard(DashboardName=f"d-{protocol}", DashboardBody='{"widgets":[]}')
    assert client.get_dashboard(DashboardName=f"d-{protocol}")["DashboardBody"] == '{"widgets":[]}'
    client.delete_dashboards(DashboardNames=[f"d-{protocol}"])
    client.delete_alarms(AlarmNames=[name])
    assert client.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_have_the_names_of_the_service_in_every_protocol(platform, protocol):
    client = cloudwatch(platform, protocol)

    def code(call, **arguments):
        with pytest.raises(ClientError) as raised:
            call(**arguments)
        return raised.value.response["Error"]["Code"], raised.value.response["ResponseMetadata"]["HTTPStatusCode"]

    datum = [{"MetricName": "m", "Value": 1.0, "Values": [1.0]}]
    assert code(client.put_metric_data, Namespace="N", MetricData=datum) == ("InvalidParameterCombination", 400)
    assert code(client.put_metric_data, Namespace="AWS/Kinesis", MetricData=[{"MetricName": "m", "Value": 1.0}])[0] == "InvalidParameterValue"
    assert code(client.delete_alarms, AlarmNames=["nobody"]) == ("ResourceNotFound", 404)
    assert code(client.get_dashboard, DashboardName="nobody") == ("ResourceNotFound", 404)
    assert code(client.put_dashboard, DashboardName="d", DashboardBody="{")[0] == "InvalidParameterInput"
    assert code(client.list_metrics, NextToken="x")[0] in ("InvalidNextToken", "InvalidParameterValue")
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="")


def post(platform, body, headers, path="/"):
    request = urllib.request.Request(platform.addresses["aws"] + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace"), error.headers


def test_plain_requests_packed_and_not(platform):
    data = [{"MetricName": f"m{n}", "Value": n} for n in range(500)]
    body = json.dumps({"Namespace": "Packed", "MetricData": data}).encode()
    target = {"x-amz-target": "GraniteServiceVersion20100801.PutMetricData", "content-type": "application/x-amz-json-1.0",
              "x-amzn-query-mode": "true"}
    status, text, headers = post(platform, gzip.compress(body), target | {"content-encoding": "gzip"})
    assert (status, headers["content-type"]) == (200, "application/x-amz-json-1.0"), text
    assert len(cloudwatch(platform).list_metrics(Namespace="Packed")["Metrics"]) == 500
    bomb = gzip.compress(b" " * (64 << 20), 9)
    status, text, headers = post(platform, bomb, target | {"content-encoding": "gzip"})
    assert status == 413 and "RequestEntityTooLarge" in text, text
    status, text, headers = post(platform, b"{}", target)
    assert (status, headers["x-amzn-query-error"]) == (400, "MissingParameter;Sender"), text
    form = {"content-type": "application/x-www-form-urlencoded"}
    asked = urllib.parse.urlencode({"Action": "ListMetrics", "Version": "2010-08-01", "Namespace": "Packed", "MetricName": "m7"})
    status, text, headers = post(platform, asked.encode(), form)
    assert status == 200 and headers["content-type"] == "text/xml" and "<MetricName>m7</MetricName>" in text, text
    status, text, _ = post(platform, b"Action=Nothing&Version=2010-08-01", form)
    assert status == 400 and "<Code>InvalidAction</Code>" in text, text
    # The streams' own door is where it was.
    assert platform.kinesis().list_streams()["StreamNames"] == []


def test_percentiles_of_calls_to_a_stream(platform):
    kinesis, client = platform.kinesis(), cloudwatch(platform)
    kinesis.create_stream(StreamName="calls", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="calls")
    for n in range(20):
        records = [{"Data": b"x" * 10, "PartitionKey": str(k)} for k in range(20 if n == 0 else 1)]
        assert kinesis.put_records(StreamName="calls", Records=records)["FailedRecordCount"] == 0

    def told(name, *percentiles):
        points = client.get_metric_statistics(
            Namespace="AWS/Kinesis", MetricName=name, Dimensions=[{"Name": "StreamName", "Value": "calls"}],
            StartTime=ago(minutes=5), EndTime=now() + datetime.timedelta(minutes=1), Period=3600,
            Statistics=["SampleCount", "Maximum", "Minimum"], ExtendedStatistics=list(percentiles))["Datapoints"]
        whole = [point for point in points if point["SampleCount"] == 20]
        return whole and whole[0]

    records = wait_for(lambda: told("PutRecords.TotalRecords", "p50", "p90", "p99"), "all calls to be measured")
    spread = records["ExtendedStatistics"]
    assert spread["p50"] == pytest.approx(1, rel=0.03) and spread["p90"] == pytest.approx(1, rel=0.03)
    assert spread["p99"] == pytest.approx(20, rel=0.03)
    latency = told("PutRecords.Latency", "p50", "p99")
    spread = latency["ExtendedStatistics"]
    assert latency["Minimum"] <= spread["p50"] <= spread["p99"] <= latency["Maximum"]


def test_the_command_line_of_aws(platform):
    def aws(*args):
        command = [str(pathlib.Path(sys.executable).parent / "aws"), "cloudwatch", *args, "--endpoint-url",
                   platform.addresses["aws"], "--output", "json"]
        done = subprocess.run(command, env=os.environ | KEYS, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws("put-metric-data", "--namespace", "Cli", "--metric-name", "Trips", "--value", "42", "--unit", "Count")
    start, end = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (ago(minutes=5), now() + datetime.timedelta(minutes=1)))
    told = aws("get-metric-statistics", "--namespace", "Cli", "--metric-name", "Trips", "--start-time", start, "--end-time", end,
               "--period", "60", "--statistics", "Sum")
    assert [point["Sum"] for point in told["Datapoints"]] == [42.0]
    aws("put-metric-alarm", "--alarm-name", "cli", "--namespace", "Cli", "--metric-name", "Trips", "--statistic", "Sum",
        "--period", "60", "--evaluation-periods", "1", "--threshold", "1", "--comparison-operator", "GreaterThanThreshold")
    assert aws("describe-alarms", "--alarm-names", "cli")["MetricAlarms"][0]["MetricName"] == "Trips"
    aws("delete-alarms", "--alarm-names", "cli")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what webhooks post; says no as often as it is told to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        refuse, self.server.refusals = self.server.refusals > 0, self.server.refusals - 1
        self.server.tries += 1
        if not refuse:
            self.server.received.append(json.loads(body))
        self.send_response(503 if refuse else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.refusals, server.tries = [], 0, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def short_alarm(client, name, **more):
    client.put_metric_alarm(**{
        "AlarmName": name, "Namespace": "Live", "MetricName": "Lag", "Statistic": "Maximum", "Period": 10,
        "EvaluationPeriods": 1, "Threshold": 100.0, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore", **more})


def put_lag(client, value):
    client.put_metric_data(Namespace="Live", MetricData=[{"MetricName": "Lag", "Value": value, "StorageResolution": 1}])


def comes_to(client, name, state, value):
    def is_there():
        put_lag(client, value)
        return client.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == state

    wait_for(is_there, f"alarm {name} to be {state}", 60)


def test_an_alarm_fires_calls_and_survives_stop_and_kill(start, receiver, tmp_path):
    note = tmp_path / "note"
    config = tmp_path / "hailstream.toml"
    config.write_text(f"[alarm-actions]\npager = {{ command = ['sh', '-c', 'echo $ALARM_NAME $ALARM_STATE > {note}'] }}\n")
    platform = start("--config", config)
    client = cloudwatch(platform)
    receiver.refusals = 1
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    topic = "arn:aws:sns:us-east-1:000000000000:nobody"
    short_alarm(client, "lag", AlarmActions=[url, "action:pager", topic], OKActions=[url])
    client.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(lag)")
    comes_to(client, "lag", "ALARM", 500.0)
    call = wait_for(lambda: receiver.received, "the webhook to be called")[0]
    assert (call["alarm"], call["state"], receiver.tries) == ("lag", "ALARM", 2), call
    assert "500.0" in call["reason"]
    wait_for(lambda: note.exists() and note.read_text(), "the command to be run")
    assert note.read_text() == "lag ALARM\n"

    def outcomes():
        items = client.describe_alarm_history(AlarmName="lag", HistoryItemType="Action")["AlarmHistoryItems"]
        return {item["HistorySummary"] for item in items}

    wait_for(lambda: len(outcomes()) == 3, "the outcomes of all actions")
    assert outcomes() == {f"Successfully executed action {url}", "Successfully executed action action:pager",
                          f"Failed to execute action {topic}"}
    assert client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]["StateValue"] == "ALARM"
    comes_to(client, "lag", "OK", 1.0)
    wait_for(lambda: receiver.received[-1]["state"] == "OK", "the webhook to be called again")
    events = platform.console(f"/api/timeline?from=0&to={int(time.time() * 1000) + 1000}")["events"]
    assert any(event["kind"] == "alarm" and event["subject"] == "alarm/lag" for event in events), events
    refused = pytest.raises(ClientError, short_alarm, client, "x", AlarmActions=["action:nobody"]).value
    assert "they name: pager" in str(refused)

    before = client.describe_alarms()["MetricAlarms"]
    for how, code in ((signal.SIGINT, 0), (signal.SIGKILL, -9)):
        assert platform.end(how) == code
        platform = start("--config", config)
        client = cloudwatch(platform)
        after = client.describe_alarms()["MetricAlarms"]
        assert [alarm["AlarmName"] for alarm in after] == ["lag"]
        assert after[0]["StateTransitionedTimestamp"] == before[0]["StateTransitionedTimestamp"]
        assert client.describe_alarm_history(AlarmName="lag")["AlarmHistoryItems"]
    comes_to(client, "lag", "ALARM", 500.0)


def alarm_command(platform, *args):
    command = [BINARY, "alarm", *args, "--console", platform.addresses["console"]]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_lists_tries_and_sets_alarms(start, tmp_path):
    platform = start()
    client = cloudwatch(platform)
    for minute in range(60, 0, -1):
        value = 500.0 if 20 <= minute < 30 else 1.0
        client.put_metric_data(Namespace="Live", MetricData=[
            {"MetricName": "Lag", "Value": value, "Timestamp": ago(minutes=minute), "Unit": "Milliseconds"}])
    short_alarm(client, "lag", Period=60)
    code, out, err = alarm_command(platform, "list")
    assert code == 0 and "INSUFFICIENT_DATA" in out and "lag" in out, err
    code, out, _ = alarm_command(platform, "describe", "lag", "--json")
    assert json.loads(out)["Threshold"] == 100.0
    code, out, err = alarm_command(platform, "test", "lag", "--hours", "1", "--json")
    told = json.loads(out)
    assert (told["alarms"], told["state"]) == (1, "OK") and told["alarm_s"] in (540, 600, 660), told
    wanted = tmp_path / "alarm.json"
    wanted.write_text(json.dumps({
        "AlarmName": "x", "Namespace": "Live", "MetricName": "Lag", "Statistic": "Maximum", "Period": 300, "EvaluationPeriods": 1,
        "Threshold": 60, "Unit": "Seconds", "ComparisonOperator": "GreaterThanThreshold"}))
    code, out, err = alarm_command(platform, "test", "--file", str(wanted))
    assert code == 0 and "kept in Milliseconds, and the alarm asks for Seconds" in out, out + err
    code, out, err = alarm_command(platform, "set-state", "lag", "ALARM", "--reason", "drill")
    assert code == 0, err
    assert client.describe_alarms()["MetricAlarms"][0]["StateReason"] == "drill"
    code, out, _ = alarm_command(platform, "history", "lag")
    assert "Alarm updated from INSUFFICIENT_DATA to ALARM" in out
    assert alarm_command(platform, "describe", "nobody")[0] == 3
    assert alarm_command(platform, "set-state", "nobody", "OK")[0] == 3
    lines = platform.console("/api/metrics?namespace=Live&name=Lag&statistic=Maximum&seconds=7200&period=60")["lines"]
    assert max(value for _, value in lines[0]["points"]) == 500.0 and lines[0]["unit"] == "Milliseconds"
    assert platform.console("/api/alarms")["alarms"][0]["name"] == "lag"


def test_the_demo_measures_everything_and_makes_the_reference_alarm(start):
    platform = start("--headless", "--count", "400000", "--speedup", "6480", command="demo")
    client = cloudwatch(platform)
    alarm = client.describe_alarms(AlarmNames=["taxi-millis-behind-latest"])["MetricAlarms"][0]
    assert (alarm["AlarmName"], alarm["Threshold"], alarm["TreatMissingData"]) == ("taxi-millis-behind-latest", 60000.0, "breaching")

    def names(namespace):
        return {metric["MetricName"] for metric in client.list_metrics(Namespace=namespace)["Metrics"]}

    wanted = {"uptime", "downtime", "fullRestarts", "KPUs", "numRecordsIn", "numRecordsInPerSecond", "millisBehindLatest",
              "cpuUtilization", "busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond",
              "heapMemoryUtilization", "containerMemoryUtilization", "containerDiskUtilization", "numberOfFailedCheckpoints",
              "lastCheckpointDuration", "lastCheckpointSize", "currentInputWatermark", "currentOutputWatermark",
              "numLateRecordsDropped", "bytesRequestedPerFetch", "numRecordsSendErrors", "currentSendTime"}
    wait_for(lambda: wanted <= names("AWS/KinesisAnalytics"), "all metrics of the application", 60)
    assert {"EventsSent", "ReplayLag", "Retries"} <= names("Hailstream/Replay")
    assert {"Documents", "DocumentsWritten"} <= names("Hailstream/Index")
    assert {"Memory", "CPUTime", "DiskFree", "CommitLatency"} <= names("Hailstream/Platform")
    sources = client.list_metrics(MetricName="millisBehindLatest", Dimensions=[{"Name": "Flow", "Value": "Input"}])["Metrics"]
    assert sources and {d["Name"] for d in sources[0]["Dimensions"]} == {"Application", "Flow", "Id"}
    shown = platform.console("/api/applications/view?application=taxi")["operators"]
    source, sinks = shown[0], [operator for operator in shown if operator["name"].startswith("sink ")]
    assert source["behind_ms"] is not None and source["read_bytes_per_s"] is not None and source["write_ms"] is None
    assert sinks and all(sink["refused_per_s"] == 0 and sink["behind_ms"] is None for sink in sinks)
    rate = client.get_metric_statistics(
        Namespace="AWS/KinesisAnalytics", MetricName="numRecordsInPerSecond", Dimensions=[{"Name": "Application", "Value": "taxi"}],
        StartTime=ago(minutes=2), EndTime=now(), Period=60, Statistics=["Maximum"])["Datapoints"]
    assert max(point["Maximum"] for point in rate) > 0 and rate[0]["Unit"] == "Count/Second"
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics") as answer:
        text = answer.read().decode()
    assert "hailstream_process_memory_bytes" in text and "hailstream_disk_free_bytes" in text


def test_a_webhook_is_called_over_tls_when_the_system_trusts_it(start, tmp_path):
    other = start(name="other")
    assert other.end() == 0
    pair = [str(other.data_dir / "data" / "tls" / name) for name in ("cert.pem", "key.pem")]
    received = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}/hook"

    def outcome(platform, summary):
        client = cloudwatch(platform)
        short_alarm(client, "over-tls", AlarmActions=[url])
        client.set_alarm_state(AlarmName="over-tls", StateValue="ALARM", StateReason="drill")
        items = wait_for(lambda: client.describe_alarm_history(AlarmName="over-tls", HistoryItemType="Action")["AlarmHistoryItems"],
                         "the outcome of the action")
        assert items[0]["HistorySummary"] == f"{summary} action {url}"
        return items[0]["HistoryData"]

    outcome(start(environment={"SSL_CERT_FILE": pair[0]}, name="trusting"), "Successfully executed")
    assert received[0]["alarm"] == "over-tls"
    told = outcome(start(name="doubting"), "Failed to execute")
    assert "certificate" in told, told
    assert len(received) == 1
    server.shutdown()


def test_a_dashboard_is_made_with_tags_that_go_with_it(platform):
    client = cloudwatch(platform)
    body = json.dumps({"widgets": []})
    client.put_dashboard(DashboardName="tagged", DashboardBody=body, Tags=[{"Key": "team", "Value": "maps"}])
    arn = client.get_dashboard(DashboardName="tagged")["DashboardArn"]

    def tags():
        return {tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceARN=arn)["Tags"]}

    assert tags() == {"team": "maps"}
    client.put_dashboard(DashboardName="tagged", DashboardBody=body, Tags=[{"Key": "team", "Value": "other"}])
    assert tags() == {"team": "maps"}, "of one that is there they are ignored"
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "stage", "Value": "test"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert tags() == {"stage": "test"}
    client.delete_dashboards(DashboardNames=["tagged"])
    refused = pytest.raises(ClientError, tags).value
    assert "There is no dashboard" in str(refused), refused
    client.put_dashboard(DashboardName="tagged", DashboardBody=body)
    assert tags() == {}, "they went with the dashboard"
    client.delete_dashboards(DashboardNames=["tagged"])
