"""Metrics over OpenTelemetry: what arrives at a collector, and what one that misbehaves costs."""

import re
import subprocess
import time
import urllib.request

import pytest
from collector import Collector, attributes, metrics_of, points_of
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from hailstream import BINARY, Platform, wait_for

EVERY_SECOND = ("--otlp-interval-s", "1")


@pytest.fixture
def collect():
    started = []

    def _collect(**kwargs):
        started.append(Collector(**kwargs))
        return started[-1]

    yield _collect
    for collector in started:
        collector.close()


def page(platform):
    """The kinds, words and values of `/metrics`, by name and by series."""
    with urllib.request.urlopen(platform.addresses["console"] + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    words = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    values = {}
    for name, labels, value in re.findall(r"^([a-z]\w*)(?:\{(.*)\})? (\S+)$", text, re.M):
        values[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return kinds, words, values


def warnings(platform):
    return [line for line in platform.log_text().splitlines() if "metrics cannot be sent" in line]


def test_a_collector_gets_what_the_page_of_metrics_says(start, collect):
    collector = collect()
    platform = start(
        *EVERY_SECOND, "--otlp-endpoint", collector.address + "/tenant/", "--headless", "--count", "60000", command="demo",
        environment={"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20key", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    started_ns = time.time_ns()
    wait_for(lambda: collector.messages and
             metrics_of(collector.messages[-1]).get("hailstream_application_records_out_total"), "results to be counted")
    _, path, headers = collector.calls[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/tenant/v1/metrics"
    assert (headers["content-type"], headers["api-key"]) == ("application/x-protobuf", "a key")
    wait_for(lambda: page(platform)[2].get(("hailstream_replay_running", ())) == 0, "the replay to end")
    count = len(collector.messages)
    wait_for(lambda: len(collector.messages) > count + 2, "messages after the end")
    kinds, words, values = page(platform)
    message = collector.messages[-1]
    metrics = metrics_of(message)
    assert set(metrics) == set(kinds), "the same names"
    for name, metric in metrics.items():
        counter = metric.WhichOneof("data") == "sum"
        assert counter == (kinds[name] == "counter"), name
        assert metric.description == words.get(name, ""), name
        if counter:
            assert metric.sum.is_monotonic and metric.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        for labels, point in points_of(metric).items():
            assert (name, labels) in values, (name, labels)
            assert abs(point.time_unix_nano - time.time_ns()) < 60e9
            assert (0 < point.start_time_unix_nano < point.time_unix_nano) == counter, name
    for name in ("hailstream_replay_sent_records_total", "hailstream_store_incoming_records_total"):
        for labels, point in points_of(metrics[name]).items():
            assert point.as_double == values[name, labels] > 0, name
            assert point.start_time_unix_nano < started_ns
    units = {name: metrics[f"hailstream_{name}"].unit for name in (
        "process_memory_bytes", "replay_lag_ms", "process_cpu_seconds_total", "replay_records_per_s", "store_streams")}
    assert units == {"process_memory_bytes": "By", "replay_lag_ms": "ms", "process_cpu_seconds_total": "s",
                     "replay_records_per_s": "1/s", "store_streams": ""}
    resource = attributes(message.resource_metrics[0].resource.attributes)
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert (resource["service.name"], resource["service.version"]) == ("hailstream", version)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", resource["service.instance.id"])
    assert not collector.wrong
    # Counters never go back, and the last values are sent at the end.
    counts = [points_of(metrics_of(m)["hailstream_telemetry_sent_messages_total"])[()].as_double for m in collector.messages]
    assert counts == sorted(counts) and counts[-1] >= 2
    count = len(collector.messages)
    assert platform.end() == 0, platform.log_text()
    assert len(collector.messages) > count
    assert "a key" not in platform.log_text()
    again = start("--headless", "--count", "60000", *EVERY_SECOND, "--otlp-endpoint", collector.address, command="demo")
    count = len(collector.messages)
    wait_for(lambda: len(collector.messages) > count, "messages of the next run")
    resource_again = attributes(collector.messages[-1].resource_metrics[0].resource.attributes)
    assert resource_again == resource, "an instance stays the same one over a restart"
    assert again.end() == 0


def test_a_collector_that_is_away_costs_one_warning_and_is_found_again(start, collect):
    away = collect()
    port = away.port
    away.close()
    platform = start(*EVERY_SECOND, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
    failed = ("hailstream_telemetry_failed_messages_total", ())
    wait_for(lambda: page(platform)[2][failed] >= 3, "three messages to fail")
    assert len(warnings(platform)) == 1 and f"127.0.0.1:{port}" in warnings(platform)[0], platform.log_text()
    platform.kinesis().create_stream(StreamName="goes-on", ShardCount=1)
    collector = collect(port=port)
    wait_for(lambda: collector.messages, "the collector to be found again")
    wait_for(lambda: "takes them again" in platform.log_text(), "the good news")
    assert platform.end() == 0, platform.log_text()
    assert len(warnings(platform)) == 1


def test_a_collector_that_asks_for_a_pause_gets_it(start, collect):
    refusals = [(429, {"retry-after": "4"}, b""), (503, {}, b"busy")]
    collector = collect(answers=refusals)
    platform = start("--otlp-interval-s", "2", "--otlp-endpoint", collector.address)
    wait_for(lambda: len(collector.messages) >= 2, "messages to be taken")
    times = [at for at, _, _ in collector.calls]
    assert times[1] - times[0] >= 4, "the pause of the first refusal is kept, whatever the interval says"
    assert 0.4 < times[2] - times[1] < 1.9, "without a pause it is tried again before the next message"
    assert platform.end() == 0, platform.log_text()


def test_a_collector_that_is_slow_gets_one_message_at_a_time_and_holds_up_nothing(start, collect):
    collector = collect(delay_s=3)
    platform = start(*EVERY_SECOND, "--otlp-endpoint", collector.address)
    wait_for(lambda: len(collector.messages) >= 2, "slow messages to be taken")
    times = [at for at, _, _ in collector.calls]
    assert all(after - before >= 3 for before, after in zip(times, times[1:])), "never two at once"
    began = time.monotonic()
    platform.kinesis().create_stream(StreamName="goes-on", ShardCount=1)
    assert platform.end() == 0, platform.log_text()
    assert time.monotonic() - began < 10, "the end does not wait for it"


def test_what_a_collector_will_never_take_is_not_sent_again(start, collect):
    partial = ExportMetricsServiceResponse()
    partial.partial_success.rejected_data_points = 5
    partial.partial_success.error_message = "too many series"
    collector = collect(answers=[(401, {}, b"who are you"), (401, {}, b"who are you"), (200, {}, partial.SerializeToString())])
    platform = start("--otlp-interval-s", "2", "--otlp-endpoint", collector.address)
    wait_for(lambda: len(collector.messages) >= 2, "messages to be taken")
    times = [at for at, _, _ in collector.calls]
    assert times[1] - times[0] >= 1.9, "not again before the next one is due"
    told = warnings(platform)
    assert len(told) == 1 and "401 Unauthorized: who are you" in told[0], platform.log_text()
    wait_for(lambda: page(platform)[2]["hailstream_telemetry_rejected_points_total", ()] == 5, "rejected points to be counted")
    assert "too many series" in platform.log_text()
    assert platform.end() == 0


def test_a_collector_over_tls_is_believed_when_the_system_trusts_it(start, collect, tmp_path):
    other = Platform(tmp_path / "other")
    assert other.end() == 0
    pair = [str(tmp_path / "other" / "data" / "tls" / name) for name in ("cert.pem", "key.pem")]
    collector = collect(pair=pair)
    trusting = start(*EVERY_SECOND, "--otlp-endpoint", collector.address, environment={"SSL_CERT_FILE": pair[0]})
    wait_for(lambda: collector.messages, "a message over TLS")
    assert trusting.end() == 0
    doubting = start(*EVERY_SECOND, "--otlp-endpoint", collector.address, name="doubting")
    wait_for(lambda: warnings(doubting), "the certificate to be refused")
    assert "certificate" in warnings(doubting)[0], warnings(doubting)
    assert doubting.end() == 0


def test_a_wrong_address_is_refused_before_anything_opens(tmp_path):
    for variables, part in (({"HAILSTREAM_OTLP_ENDPOINT": "localhost:4318"}, "is no address of a collector"),
                            ({"HAILSTREAM_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "4318")):
        run = subprocess.run([BINARY, "serve", "--data-dir", tmp_path / "data"], env=variables, capture_output=True, text=True)
        assert run.returncode != 0 and part in run.stderr, run.stderr
        assert not (tmp_path / "data").exists()
