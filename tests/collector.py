"""A collector of metrics for tests: takes OTLP over HTTP, decodes it by the published definitions, and does as it is told."""

import http.server
import ssl
import threading
import time

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


class Collector:
    """Answers each message with the next of `answers`: a status, headers, a body; afterwards it takes all."""

    def __init__(self, answers=(), delay_s=0, pair=None, port=0):
        self.answers, self.delay_s = list(answers), delay_s
        self.calls, self.messages, self.wrong = [], [], []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector.answer(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        scheme = "http"
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.port = self.server.server_address[1]
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        self.calls.append((time.monotonic(), handler.path, dict(handler.headers.items())))
        message = ExportMetricsServiceRequest()
        try:
            message.ParseFromString(body)
        except DecodeError as error:
            self.wrong.append(error)
        time.sleep(self.delay_s)
        status, headers, answer = self.answers.pop(0) if self.answers else (200, {}, None)
        if answer is None:
            answer = ExportMetricsServiceResponse().SerializeToString()
        try:
            handler.send_response(status)
            for name, value in {"content-type": "application/x-protobuf", **headers}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)
        except OSError:  # Whoever asked no longer waits.
            return
        if status == 200:
            self.messages.append(message)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def attributes(pairs):
    return {pair.key: pair.value.string_value for pair in pairs}


def metrics_of(message):
    """The metrics of a message by name."""
    return {metric.name: metric for resource in message.resource_metrics for scope in resource.scope_metrics
            for metric in scope.metrics}


def points_of(metric):
    """The points of a metric by their attributes."""
    data = getattr(metric, metric.WhichOneof("data"))
    return {tuple(sorted(attributes(point.attributes).items())): point for point in data.data_points}
