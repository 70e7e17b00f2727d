"""A real Elasticsearch 7.10.2 on loopback: started, asked every search case, stopped."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from . import answers, cache, layout

START_SECONDS_MAX = 180
# The runner refuses ports from 9300 on; below 9250 stand the ones that others would expect.
PORTS = range(9250, 9299)
MAIN = "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner"


class Node:
    """One node on loopback, whose data outlives it as long as its folder does."""

    def __init__(self, home):
        self.jars = cache.elasticsearch_jars()
        cache.need("java", "to run Elasticsearch")
        self.home, self.port, self.process = pathlib.Path(home), free_port(), None
        self.address = f"http://127.0.0.1:{self.port}"
        self.output = self.home / "output.txt"

    def start(self):
        """Starts it, also anew, and returns when it answers."""
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                ["java", "-Xms512m", "-Xmx1g", "-cp", f"{self.jars}/*", MAIN, "-basePath", f"{self.home}/data", "-numOfNode", "1",
                 "-baseHttpPort", str(self.port - 1), "-clusterName", "conformance"],
                cwd=self.home, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        await_answer(self.process, self.address, self.output)

    def kill(self):
        """Ends it with SIGKILL, in the middle of whatever it does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        """Ends it as one should."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def started():
    """Starts one node in a temporary folder and yields its address; stops it and removes the folder at the end."""
    with node() as running:
        yield running.address


@contextlib.contextmanager
def node():
    """Starts one node in a temporary folder and yields it; stops it and removes the folder at the end."""
    home = tempfile.mkdtemp(prefix="hailstream-elasticsearch-")
    running = Node(home)
    try:
        running.start()
        yield running
    finally:
        running.end()
        shutil.rmtree(home, ignore_errors=True)


def free_port():
    """A port that is free on loopback now, of those that the runner takes; it counts its nodes from 1, so that it is told one less."""
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    sys.exit(f"record.py: no port from {PORTS.start} to {PORTS.stop - 1} is free for Elasticsearch; use --elasticsearch with a running one")


def await_answer(process, address, output):
    """Waits until the node answers, then lets it fill any disk: cases must not depend on the free space."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=5).read()
            settings = {"method": "PUT", "path": "/_cluster/settings",
                        "body": {"transient": {"cluster.routing.allocation.disk.threshold_enabled": False}}}
            ask(address, settings)
            return
        time.sleep(0.5)
    sys.exit(f"record.py: Elasticsearch did not start:\n{output.read_text(errors='replace')[-3000:]}")


def ask(address, do):
    """Sends one request; the answer as {"status", "body" | "text"}."""
    headers = {"Content-Type": "application/json"}
    data = None
    if "body" in do:
        data = json.dumps(do["body"], ensure_ascii=False).encode()
    elif "ndjson" in do:
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in do["ndjson"]).encode()
        headers["Content-Type"] = "application/x-ndjson"
    elif "raw" in do:
        data = do["raw"].encode()
    headers.update(do.get("headers", {}))
    request = urllib.request.Request(address + do["path"], data=data, headers=headers, method=do["method"])
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return parsed(response.status, response.headers.get_content_type(), response.read())
    except urllib.error.HTTPError as error:
        return parsed(error.code, error.headers.get_content_type(), error.read())


def documents(address, index):
    """All documents of an index, or of several that a pattern names, by index and id."""
    ask(address, {"method": "POST", "path": f"/{index}/_refresh"})
    first = {"method": "POST", "path": f"/{index}/_search?scroll=1m", "body": {"size": 5000, "sort": ["_doc"]}}
    answer, found = ask(address, first)["body"], {}
    while answer["hits"]["hits"]:
        found |= {(hit["_index"], hit["_id"]): hit["_source"] for hit in answer["hits"]["hits"]}
        more = {"scroll": "1m", "scroll_id": answer["_scroll_id"]}
        answer = ask(address, {"method": "POST", "path": "/_search/scroll", "body": more})["body"]
    return found


def parsed(status, content_type, payload):
    """An answer by its content type."""
    if not payload:
        return {"status": status}
    if content_type == "application/json":
        return {"status": status, "body": without_chance(json.loads(payload))}
    return {"status": status, "text": payload.decode()}


def without_chance(value):
    """An answer whose reasons hold no random id, address or number and no copy of the request, so that recording anew changes nothing."""
    if isinstance(value, list):
        return [without_chance(v) for v in value]
    if isinstance(value, dict):
        return {k: scrubbed(v) if k == "reason" and isinstance(v, str) else without_chance(v) for k, v in value.items()}
    return value


def scrubbed(reason):
    """One reason without what differs from run to run."""
    for pattern, stands_for in ((r"\s*at \[Source:.*", ""), (r"(\[[a-z0-9_-]+)/[\w-]{22}\]", r"\1]"),
                                (r"context found for id \[\d+\]", "context found"), (r"@[0-9a-f]{4,8}\b", "")):
        reason = re.sub(pattern, stands_for, reason, flags=re.DOTALL)
    return reason


def filled(value, captured):
    """`value` with each `${name}` replaced by what was captured under that name."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: captured[found[1]], value)
    if isinstance(value, list):
        return [filled(v, captured) for v in value]
    if isinstance(value, dict):
        return {k: filled(v, captured) for k, v in value.items()}
    return value


def pointed(body, pointer):
    """The value at a JSON pointer."""
    for name in pointer.split("/")[1:]:
        body = body[int(name)] if isinstance(body, list) else body[name]
    return body


def run_case(address, case, volatile):
    """Runs all steps of a case from nothing; the answers, volatile members removed."""
    for index in case["indices"]:
        ask(address, {"method": "DELETE", "path": f"/{index}"})
    got, captured = [], {}
    for step in case["steps"]:
        answer = ask(address, filled(step["do"], captured))
        for name, pointer in step.get("capture", {}).items():
            captured[name] = pointed(answer["body"], pointer)
        if "body" in answer:
            answer["body"] = volatile.strip(f"{step['do']['method']} {step['do']['path']}", answer["body"])
        got.append(answer)
    for index in case["indices"]:
        ask(address, {"method": "DELETE", "path": f"/{index}"})
    return got


def record(paths, root, check, address=None):
    """Records (or checks) the cases at `paths`; returns how many differ from what was recorded."""
    volatile = answers.Volatile(root / "volatile.json")
    with contextlib.nullcontext(address) if address else started() as address:
        return sum(record_case(address, path, volatile, check) for path in paths)


def record_case(address, path, volatile, check):
    """Records or checks one case; 1 where a check found a difference, else 0."""
    case = json.loads(path.read_text())
    got = run_case(address, case, volatile)
    if check:
        found = [(i, answers.answer_difference(step, step.get("expect", {}), answer))
                 for i, (step, answer) in enumerate(zip(case["steps"], got))]
        found = [f"{path.stem}: step {i}: {line}" for i, line in found if line]
        print("\n".join(found) if found else f"{path.stem}: holds", flush=True)
        return 1 if found else 0
    for step, answer in zip(case["steps"], got):
        step["expect"] = answer
    path.write_text(layout.render(case) + "\n")
    print(f"{path.stem}: recorded", flush=True)
    return 0
