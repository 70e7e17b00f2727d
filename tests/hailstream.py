"""The platform under test: the real binary, on free ports, in a directory of its own, gone when the test ends."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import boto3
from botocore.config import Config
from elasticsearch import Elasticsearch

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
BINARY = os.environ.get("HAILSTREAM_BINARY", str(ROOT / "target" / "release" / "hailstream"))
WAIT_S = 120


class Platform:
    """One running platform."""

    def __init__(self, data_dir, *args, command="serve", environment=None, ports=None):
        self.data_dir = pathlib.Path(data_dir)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        addresses = self.data_dir / "addresses.json"
        addresses.unlink(missing_ok=True)
        self.log = open(self.data_dir / "log.txt", "ab")
        self.process = subprocess.Popen(
            [BINARY, command, "--data-dir", str(self.data_dir / "data"), *door_ports(ports or {}), "--addresses-file", str(addresses), *map(str, args)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=os.environ | (environment or {}))
        wait_for(lambda: addresses.exists() or self.process.poll() is not None, "the doors to open")
        assert self.process.poll() is None, self.log_text()
        self.addresses = json.loads(addresses.read_text())

    def log_text(self):
        return (self.data_dir / "log.txt").read_text(errors="replace")

    def kinesis(self):
        return self.client("kinesis")

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.addresses["aws"], region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))

    def search(self):
        return Elasticsearch([self.addresses["search"]], timeout=30)

    def console(self, path, body=None):
        """What the console answers, as JSON."""
        request = urllib.request.Request(self.addresses["console"] + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
            request.add_header("origin", self.addresses["console"])
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def end(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=WAIT_S)
        self.log.close()
        return code


def door_ports(ports):
    """The options for the doors' ports; any free one where none is given."""
    return [part for door in ("aws", "search", "console") for part in (f"--{door}-port", str(ports.get(door, 0)))]


def wait_for(condition, what, seconds=WAIT_S):
    """The first true answer of `condition`; fails when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")
