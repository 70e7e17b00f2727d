"""`hailstream app` as whoever runs a platform uses it: start, stop, scale, snapshots, given through the console."""

import json
import os
import re
import socket
import subprocess

import pytest

from hailstream import BINARY, Platform, wait_for
from trips import check

KEYS = """
[[key]]
id = "O"
secret = "o"
role = "operator"
[[key]]
id = "V"
secret = "v"
role = "viewer"
"""
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HAILSTREAM_"))}


def app(console, *arguments, code=0, **variables):
    """What the command prints."""
    command = [BINARY, "app", *map(str, arguments), "--console", console]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=BARE | variables)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def running(start, generated):
    """A platform whose application is in the middle of its work."""
    platform = start("--trips", generated[0], "--speedup", "7200", "--unlimited", "--headless", command="demo")
    wait_for(lambda: (application(platform)["watermark_ms"] or 0) > 0, "a watermark")
    return platform, platform.addresses["console"]


def application(platform):
    return platform.console("/api/pipeline")["application"]


def test_an_application_is_stopped_with_a_snapshot_and_goes_on(running, generated):
    platform, console = running
    stopped = json.loads(app(console, "stop", "taxi", "--json"))
    name = stopped["snapshot"]["name"]
    assert re.fullmatch(r"stop-\d{8}T\d{6}\.\d{3}Z", name) and stopped["snapshot"]["bytes"] > 0
    assert (stopped["name"], stopped["state"]) == ("taxi", "ready")
    assert "is READY" in app(console, "stop", "taxi", code=4)
    assert [s["name"] for s in platform.console("/api/application/snapshots")["snapshots"]] == [name]
    assert json.loads(app(console, "start", "taxi", "--json"))["state"] == "running"
    assert "is RUNNING" in app(console, "start", "taxi", code=4)
    assert app(console, "scale", "taxi", "--parallelism", 3) == "Application taxi has parallelism 3 (before: 1).\n"
    forced = app(console, "stop", "taxi", "--force")
    assert forced == "Application taxi is stopped; no snapshot was taken.\n"
    # What came after the snapshot is read again and replaces itself.
    back = json.loads(app(console, "restore", "taxi", "--snapshot", name, "--parallelism", 2, "--json"))
    assert (back["snapshot"], back["state"], back["parallelism"]) == (name, "running", 2)
    platform.console("/api/replay/speed", {"speedup": None})
    check(platform, generated[1])


def test_snapshots_are_taken_and_removed_by_name(running):
    platform, console = running
    taken = json.loads(app(console, "snapshot", "taxi", "--as", "before.1", "--json"))["snapshot"]
    assert taken["name"] == "before.1" and taken["bytes"] > 0 and taken["created_ms"] > 0
    assert "has a snapshot \"before.1\" already" in app(console, "snapshot", "taxi", "--as", "before.1", code=4)
    assert re.match(r"Snapshot taken-\d{8}T\d{6}\.\d{3}Z of application taxi is taken: [\d,]+ bytes", app(console, "snapshot", "taxi"))
    assert app(console, "delete-snapshot", "taxi", "before.1") == "Snapshot before.1 of application taxi is removed.\n"
    assert "no snapshot \"before.1\"" in app(console, "delete-snapshot", "taxi", "before.1", code=3)
    assert "no snapshot \"before.1\"" in app(console, "restore", "taxi", "--snapshot", "before.1", code=3)
    assert "no application \"nobody\"" in app(console, "snapshot", "nobody", code=3)
    assert "1 to 256 letters" in app(console, "snapshot", "taxi", "--as", "a/b", code=1)
    assert application(platform)["state"] == "running", "a refusal stops nothing"


def test_where_nobody_answers_that_is_told_with_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        console = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = app(console, "start", "taxi", code=1)
    assert console in told and "does not answer" in told and "--console" in told
    assert len(told.strip().splitlines()) == 1
    assert "is no console" in app("127.0.0.1:8080", "start", "taxi", code=1)
    assert "--parallelism" in app("http://127.0.0.1:1", "scale", "taxi", "--parallelism", 0, code=2)


def test_a_console_that_asks_for_a_key_is_shown_one_over_tls_too(tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = Platform(tmp_path / "platform", "--credentials", keys)
    plain = platform.addresses["console"]
    for console, certificate in ((plain, ()), (plain.replace("http:", "https:"), ("--console-cert", platform.data_dir / "data/tls/cert.pem"))):
        def order(code, **variables):
            return app(console, "start", "taxi", *certificate, code=code, HOME=str(tmp_path), **variables)

        assert "asks for a key" in order(1)
        assert "no application \"taxi\"" in order(3, AWS_ACCESS_KEY_ID="O", AWS_SECRET_ACCESS_KEY="o")
        assert "the role viewer may look" in order(1, AWS_ACCESS_KEY_ID="V", AWS_SECRET_ACCESS_KEY="v")
        assert "the secret is wrong" in order(1, AWS_ACCESS_KEY_ID="O", AWS_SECRET_ACCESS_KEY="wrong")
    assert "--console-cert" in app(plain.replace("http:", "https:"), "start", "taxi", code=1)
    assert platform.end() == 0
