"""`hailstream apply`: a stack is planned, made, changed where it differs, and left alone where it does not."""

import json
import subprocess

import pytest

from hailstream import BINARY, wait_for

SCRIPT = """
CREATE TABLE orders (shop STRING, price BIGINT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector'='kinesis','stream'='orders','scan.stream.initpos'='TRIM_HORIZON','format'='json',
      'json.timestamp-format.standard'='ISO-8601');
CREATE TABLE revenue (w BIGINT, shop STRING, total BIGINT, PRIMARY KEY (w, shop) NOT ENFORCED)
WITH ('connector'='elasticsearch-7','hosts'='http://127.0.0.1:9200','index'='revenue');
INSERT INTO revenue
SELECT 1000 * TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end), shop, SUM(price)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE price > ${least} GROUP BY window_start, window_end, shop;
"""
STACK = """
streams:
  - name: orders
    shards: {shards}
    retention_hours: 48
indices:
  - name: revenue
    properties: {{shop: keyword, total: long}}
applications:
  - name: revenue
    script: revenue.sql
    parallelism: {parallelism}
    running: {running}
    properties: {{limits: {{least: "{least}"}}}}
"""


@pytest.fixture
def stack(start, tmp_path):
    """A platform, and how a stack is applied to it."""
    platform = start("--unlimited")
    (tmp_path / "revenue.sql").write_text(SCRIPT)

    def apply(*options, code=0, text=None, shards=1, parallelism=1, running="true", least=0):
        file = tmp_path / "stack.yaml"
        file.write_text(text or STACK.format(shards=shards, parallelism=parallelism, running=running, least=least))
        command = [BINARY, "apply", file, *options, "--console", platform.addresses["console"]]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return platform, apply


def state(platform):
    return platform.console("/api/application?application=revenue")["state"]


def test_a_stack_is_planned_made_and_made_again_without_effect(stack):
    platform, apply = stack
    planned = apply("--plan")
    assert planned.splitlines() == [
        "create  stream orders        with 1 shards",
        "create  index revenue        with 2 fields",
        "create  application revenue  of revenue.sql, with parallelism 1",
        "start   application revenue",
        "4 steps would be taken; nothing was done.",
    ]
    assert platform.kinesis().list_streams()["StreamNames"] == []
    assert apply().splitlines()[-1] == "4 steps were taken."
    wait_for(lambda: state(platform) == "running", "the application to run")
    stream = platform.kinesis().describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (1, 48)
    again = json.loads(apply("--json"))["steps"]
    assert [step["change"] for step in again] == ["keep"] * 3
    assert apply().splitlines()[-1] == "Everything is as declared."
    kinesis = platform.kinesis()
    for second, price in ((1, 5), (2, 7), (30, 1)):
        row = {"shop": "a", "price": price, "ts": f"2026-01-01T00:00:{second:02}.000Z"}
        kinesis.put_record(StreamName="orders", PartitionKey="a", Data=json.dumps(row))
    search = platform.search()

    def totals():
        search.indices.refresh(index="revenue")
        hits = search.search(index="revenue", body={"size": 10})["hits"]["hits"]
        return [hit["_source"]["total"] for hit in hits]

    wait_for(lambda: totals() == [12], "the sum of the first window")


def test_what_differs_is_changed_and_the_rest_is_left_alone(stack):
    platform, apply = stack
    apply()
    wait_for(lambda: state(platform) == "running", "the application to run")
    assert apply(shards=5, parallelism=3).splitlines() == [
        "update  stream orders        from 1 to 5 shards",
        "keep    index revenue",
        "update  application revenue  parallelism 3 (before: 1)",
        "2 steps were taken.",
    ]
    line = platform.console("/api/application?application=revenue")
    assert (line["state"], line["parallelism"]) == ("running", 3)
    assert platform.kinesis().describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]["OpenShardCount"] == 5
    changed = apply(shards=5, parallelism=3, least=10)
    assert "update  application revenue  other properties" in changed
    wait_for(lambda: state(platform) == "running", "the new version to run")
    assert "stop    application revenue  with a snapshot first" in apply(shards=5, parallelism=3, least=10, running="false")
    assert state(platform) == "ready"
    assert apply(shards=5, parallelism=3, least=10, running="false").splitlines()[-1] == "Everything is as declared."


WATCHED = """
streams: [{name: orders, shards: 1}]
indices: [{name: revenue, properties: {shop: keyword, total: long}}]
applications: [{name: revenue, script: revenue.sql, properties: {limits: {least: "0"}}}]
alarms:
  - advised_for: revenue
    stream: orders
    actions: ["http://127.0.0.1:9/hook"]
  - AlarmName: orders-stand-still
    Namespace: AWS/Kinesis
    MetricName: IncomingRecords
    Dimensions: [{Name: StreamName, Value: orders}]
    Statistic: Sum
    Period: 60
    EvaluationPeriods: 5
    Threshold: %s
    ComparisonOperator: LessThanThreshold
    TreatMissingData: breaching
scaling:
  - subject: application/revenue
    policy: {dry_run: %s, bounds: {kpus_max: 4}}
dashboards:
  - {name: shop, body: shop.json}
"""


def test_alarms_scaling_and_dashboards_are_a_part_of_it(stack, tmp_path):
    platform, apply = stack
    widget = {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {
        "metrics": [["AWS/Kinesis", "IncomingRecords", "StreamName", "orders"]], "region": "us-east-1", "title": "orders"}}
    (tmp_path / "shop.json").write_text(json.dumps({"widgets": [widget]}))
    made = apply(text=WATCHED % (1, "true")).splitlines()
    assert "create scaling application/revenue joint, dry run" in [" ".join(line.split()) for line in made]
    assert made[-1] == "15 steps were taken."
    cloudwatch = platform.client("cloudwatch")
    alarms = {alarm["AlarmName"]: alarm for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    lag = alarms["revenue-millis-behind-latest"]
    assert (lag["Threshold"], lag["TreatMissingData"], lag["AlarmActions"]) == (60_000, "breaching", ["http://127.0.0.1:9/hook"])
    assert len(alarms) == 9 and alarms["orders-stand-still"]["Threshold"] == 1
    assert json.loads(cloudwatch.get_dashboard(DashboardName="shop")["DashboardBody"]) == {"widgets": [widget]}
    rules = {rule["subject"]: rule for rule in platform.console("/api/scaling?seconds=900")["policies"]}
    assert rules["application/revenue"]["mode"] == "dry_run" and "at most 4 KPUs" in rules["application/revenue"]["bounds"]
    assert apply(text=WATCHED % (1, "true")).splitlines()[-1] == "Everything is as declared."
    changed = apply(text=WATCHED % (7, "false"))
    assert "update  alarm orders-stand-still" in changed and changed.splitlines()[-1] == "2 steps were taken."
    for mode in ("off", "on", "dry_run"):
        platform.console("/api/scaling/mode", {"subject": "application/revenue", "mode": mode})
        rules = {rule["subject"]: rule for rule in platform.console("/api/scaling?seconds=900")["policies"]}
        assert rules["application/revenue"]["mode"] == mode
    for text, said in (
        ("alarms: [{AlarmName: a}]", "alarm a: "),
        ("scaling: [{subject: taxi}]", "neither application/NAME nor stream/NAME"),
        ("scaling: [{subject: application/a, policy: {rule: {join: {}}}}]", "join"),
    ):
        assert said in apply(code=1, text=text), text


def test_what_is_wrong_is_told_before_anything_is_done(stack, tmp_path):
    platform, apply = stack
    for text, said in (
        ("streams: [{name: a, shards: 0}]", "stream a: 0 shards are not within 1 to 10000"),
        ("streams: [{name: a, shards: 1, retention_hours: 3}]", "retention_hours of 3 is not within 24 to 8760"),
        ("streams: [{name: a, shrads: 1}]", "shrads"),
        ("indices: [{name: a, properties: {b: numbr}}]", 'field b: there is no type "numbr"'),
        ("applications: [{name: a, script: other.sql}]", "other.sql cannot be read"),
        ("dashboards: [{name: a, body: other.json}]", "other.json cannot be read"),
        ("applications: [{name: a, script: ../other.sql}]", "is no file beside the stack file"),
        ("applications: [{name: a, script: revenue.sql}]", "${least} is no property of the application"),
        ("alarms: 7", "alarms"),
    ):
        assert said in apply(code=1, text=text), text
    (tmp_path / "wrong.sql").write_text("SELEC 1")
    text = "streams: [{name: first, shards: 1}]\napplications: [{name: a, script: wrong.sql}]"
    assert "application a" in apply(code=1, text=text)
    assert platform.kinesis().list_streams()["StreamNames"] == [], "nothing was made"
    apply()
    text = "indices: [{name: revenue, properties: {shop: long}}]"
    assert "index revenue" in apply(code=4, text=text)
