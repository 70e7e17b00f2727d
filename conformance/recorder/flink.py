"""A real Apache Flink on loopback, in one process: runs every SQL case in a copy of its folder and reads what the sinks hold."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from . import cache

OPENED = ["java.base/java." + package for package in ("util", "util.concurrent", "lang", "lang.invoke", "nio", "net", "time", "text", "math")]
MESSAGE_CHARACTERS_MAX = 240
# Wrappers that say only that something went wrong below; what Flink objected to is under them.
WRAPPERS = ("SQL validation failed", "Failed to wait job finish", "Job execution failed", "org.apache.flink.",
            "java.util.concurrent", "Recovery is suppressed")


def record(paths, source, check):
    """Records (or checks) the cases in the folders `paths`; returns how many differ from what was recorded."""
    jars = cache.flink_jars()
    cache.need("java", "to run Flink")
    classes = cache.runner_classes(source, jars)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="hailstream-flink-"))
    try:
        copies = {path: copied(path, scratch) for path in paths}
        run_all(list(copies.values()), scratch, jars, classes, source)
        return sum(settle(path, copy, check) for path, copy in copies.items())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def copied(path, scratch):
    """A copy of the script and its input; without an answer, so that nothing old can be read."""
    copy = scratch / f"{path.parent.name}__{path.name}"
    copy.mkdir()
    shutil.copy(path / "case.sql", copy)
    if (path / "input").is_dir():
        shutil.copytree(path / "input", copy / "input")
    return copy


def run_all(folders, scratch, jars, classes, source):
    """Runs the scripts of all folders in one process."""
    listed = scratch / "folders.txt"
    listed.write_text("".join(f"{folder}\n" for folder in folders))
    opened = [part for package in OPENED for part in ("--add-opens", f"{package}=ALL-UNNAMED")]
    process = subprocess.Popen(
        ["java", "-Xmx1200m", "-XX:+UseSerialGC", "-Duser.timezone=UTC", *opened, f"-Dlog4j2.configurationFile={source / 'log4j2.properties'}",
         f"-Djava.io.tmpdir={scratch}", "-cp", f"{classes}:{jars}/*", "Runner", str(listed)],
        stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        if process.wait() != 0:
            sys.exit(f"record.py: the Flink runner ended with {process.returncode}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def sink_rows(copy):
    """What each sink holds: {table: sorted lines}; a sink without a row is there too, by the script's `out/` paths."""
    tables = re.findall(r"'path'\s*=\s*'out/([^']+)'", (copy / "case.sql").read_text())
    return {table: sorted(line for part in (copy / "out" / table).rglob("part-*") if not part.name.startswith(".")
                          for line in part.read_bytes().splitlines()) for table in tables}


def objection(outcome, copy):
    """One line of an outcome that is not "ok": its kind and what Flink objected to."""
    kind, *messages = outcome.splitlines()
    messages = [m.partition(": ")[2].replace(f"{copy}/", "").replace(str(copy), "") for m in messages]
    telling = [m for m in messages if m and not m.startswith(WRAPPERS)] or messages
    objected = re.sub(r" \('\w+'\)", "", telling[-1])  # the name of the user who runs Flink
    return f"{kind}: {objected[:MESSAGE_CHARACTERS_MAX]}\n"


def settle(path, copy, check):
    """Writes the expected answer of one case, or compares it; 1 where a check found a difference, else 0."""
    outcome = (copy / "outcome.txt").read_text()
    if outcome == "ok\n":
        fresh = {f"{table}.ndjson": b"".join(row + b"\n" for row in rows) for table, rows in sink_rows(copy).items()}
    else:
        fresh = {"error.txt": objection(outcome, copy).encode()}
    expected = path / "expected"
    if check:
        return compare(path, expected, fresh)
    shutil.rmtree(expected, ignore_errors=True)
    expected.mkdir()
    for name, content in fresh.items():
        (expected / name).write_bytes(content)
    return 0


def compare(path, expected, fresh):
    """Says whether the recorded files are the fresh ones; of errors only the kind."""
    kind = lambda name, content: content.partition(b":")[0] if name == "error.txt" else content
    old = {file.name: kind(file.name, file.read_bytes()) for file in expected.glob("*")} if expected.is_dir() else {}
    new = {name: kind(name, content) for name, content in fresh.items()}
    if old == new:
        print(f"{path.parent.name}/{path.name}: holds", flush=True)
        return 0
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            print(f"{path.parent.name}/{path.name}: {name}: recorded {old.get(name)!r}, got {new.get(name)!r}", flush=True)
    return 1
