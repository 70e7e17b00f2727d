"""The command line: what goes wrong gets one clear line and an exit code that says so."""

import json
import signal
import socket
import subprocess

import pytest

from hailstream import BINARY


def run(*args, **kwargs):
    return subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, timeout=60, **kwargs)


def one_line(result):
    assert result.returncode != 0
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = one_line(run("serve", "--data-dir", tmp_path / "d", "--aws-port", port, "--search-port", 0, "--console-port", 0))
    assert str(port) in line and "--aws-port" in line


def test_a_locked_data_directory_is_named(start):
    platform = start()
    data = platform.data_dir / "data"
    line = one_line(run("serve", "--data-dir", data, "--aws-port", 0, "--search-port", 0, "--console-port", 0))
    assert str(data) in line and "another" in line


def test_an_unusable_data_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(run("serve", "--data-dir", tmp_path / "file" / "data"))
    assert str(tmp_path / "file" / "data") in line and "--data-dir" in line


@pytest.mark.parametrize("args, named", [
    (["serve", "--aws-port", "70000"], "--aws-port"),
    (["demo", "--speedup", "fast"], "--speedup"),
    (["demo", "--shards", "0"], "--shards"),
    (["demo", "--trips", "/no/such/file"], "/no/such/file"),
    (["fly"], "fly"),
])
def test_a_bad_option_is_named(tmp_path, args, named):
    extra = ["--data-dir", tmp_path / "d", "--search-port", 0, "--console-port", 0] if args[0] in ("serve", "demo") else []
    result = run(*args, *extra)
    assert result.returncode != 0 and named in result.stderr


def test_every_command_has_help_with_an_example():
    for command in ("demo", "serve", "replay", "sql", "stream"):
        result = run(command, "--help")
        assert result.returncode == 0 and f"Example: hailstream {command}" in result.stdout


def test_sql_runs_one_statement():
    result = run("sql", "--json", "-e", "SELECT UPPER('hail') AS word, 1 + 2 AS three")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[0]) == {"word": "HAIL", "three": 3}


def test_a_wrong_script_is_refused_with_line_column_and_hint(tmp_path):
    script = tmp_path / "wrong.sql"
    script.write_text("CREATE TABLE t (name STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '1');\nSELECT nmae FROM t;\n")
    result = run("sql", script)
    assert result.returncode != 0
    assert "line 2, column 8" in result.stderr and "name" in result.stderr


def test_an_interrupt_ends_cleanly(start):
    platform = start("--count", 1_000, "--headless", command="demo")
    assert platform.end(signal.SIGINT) == 0, platform.log_text()
