"""Lookup joins end to end: trips get the weather of their cell from a service over HTTP that is slow, busy and broken now and then."""

import collections
import contextlib
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

from hailstream import BINARY

CELLS = ["dr5ru7", "dr5rsz", "dr5x1n", "dr5/&é"]


class Weather:
    """The service: degrees by cell; `nowhere` is not known, `busy` answers at the third call, `broken` never does."""

    def __init__(self):
        self.calls = collections.Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                service.answer(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/weather?cell={{cell}}"

    def answer(self, request):
        cell = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)["cell"][0]
        with self.lock:
            self.calls[cell] += 1
            calls = self.calls[cell]
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.02)
        with self.lock:
            self.at_once -= 1
        if cell == "nowhere":
            status, body = 404, {"error": "no such cell"}
        elif cell == "broken" or (cell == "busy" and calls < 3):
            status, body = 503, {"error": "later"}
        else:
            status, body = 200, {"degrees": len(cell) + 0.5, "sky": "clear", "more": {"nested": [1]}}
        text = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)


@contextlib.contextmanager
def weather():
    service = Weather()
    threading.Thread(target=service.server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()


def enrich(folder, service, cells, join="JOIN", hint="", options=""):
    """Runs the script over trips in these cells; gives the rows and the job's statistics."""
    with open(folder / "trips.ndjson", "w", encoding="utf-8") as trips:
        for number, cell in enumerate(cells):
            trips.write(json.dumps({"trip_id": number, "cell": cell}) + "\n")
    (folder / "enrich.sql").write_text(f"""
        CREATE TABLE trips (trip_id BIGINT, cell STRING, proc_time AS PROCTIME())
          WITH ('connector' = 'filesystem', 'path' = 'trips.ndjson', 'format' = 'json');
        CREATE TABLE weather (cell STRING, degrees DOUBLE, sky STRING)
          WITH ('connector' = 'rest-lookup', 'url' = '{service.url}', 'format' = 'json' {options});
        SELECT {hint} o.trip_id, o.cell, w.degrees, w.sky FROM trips AS o
          {join} weather FOR SYSTEM_TIME AS OF o.proc_time AS w ON o.cell = w.cell;
        """, encoding="utf-8")
    ran = subprocess.run([BINARY, "sql", "--json", "enrich.sql"], capture_output=True, text=True, timeout=120, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    return rows, json.loads(ran.stderr.splitlines()[-1]), ran.stderr


RETRY = """'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='20 ms', 'max-attempts'='3'"""


def test_trips_get_the_weather_of_their_cell_in_order(tmp_path):
    cells = [CELLS[i % len(CELLS)] for i in range(400)]
    cache = ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.expire-after-write' = '10 min'"
    with weather() as service:
        rows, statistics, _ = enrich(tmp_path, service, cells, options=cache)
    assert [r["trip_id"] for r in rows] == list(range(400))
    assert all(r["degrees"] == len(r["cell"]) + 0.5 and r["sky"] == "clear" for r in rows)
    assert dict(service.calls) == {cell: 1 for cell in CELLS}
    assert statistics["lookups"][0]["requests"] == 4 and statistics["bad"] == 0


def test_what_is_missing_busy_or_broken_stops_nothing(tmp_path):
    cells = ["dr5ru7", "nowhere", "busy", "broken", "dr5rsz"]
    hint = f"/*+ LOOKUP('table'='w', 'output-mode'='allow_unordered', 'capacity'='10', 'timeout'='5 s', {RETRY}) */"
    with weather() as service:
        rows, statistics, errors = enrich(tmp_path, service, cells, join="LEFT JOIN", hint=hint)
    found = {r["cell"]: r["degrees"] for r in rows}
    assert found == {"dr5ru7": 6.5, "nowhere": None, "busy": 4.5, "dr5rsz": 6.5}
    assert service.calls["broken"] == 4 and service.calls["nowhere"] == 4, "one call and three retries"
    assert statistics["bad"] == 1 and "503" in errors and "lookup:" in errors
    lookup = statistics["lookups"][0]
    assert lookup["dead"] == 1 and lookup["retries"] == 8 and lookup["in_flight"] == 0


def test_many_are_asked_for_at_once_and_never_more_than_the_capacity(tmp_path):
    cells = [f"cell{i}" for i in range(300)]
    hint = "/*+ LOOKUP('table'='weather', 'async'='true', 'output-mode'='allow_unordered', 'capacity'='10') */"
    with weather() as service:
        rows, statistics, _ = enrich(tmp_path, service, cells, hint=hint)
    assert sorted(r["trip_id"] for r in rows) == list(range(300))
    assert 2 <= service.most_at_once <= 10
    assert statistics["lookups"][0]["requests"] == 300


def test_a_lookup_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "x.sql").write_text("""
        CREATE TABLE trips (cell STRING, p AS PROCTIME())
          WITH ('connector' = 'filesystem', 'path' = 'trips.ndjson', 'format' = 'json');
        CREATE TABLE weather (cell STRING) WITH ('connector' = 'rest-lookup', 'url' = 'http://{cell}', 'format' = 'json');
        SELECT o.cell FROM trips AS o JOIN weather FOR SYSTEM_TIME AS OF o.p AS w ON o.cell = w.cell;
        """)
    ran = subprocess.run([BINARY, "sql", "x.sql"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.returncode != 0 and "a column in its host" in ran.stderr, ran.stderr
