"""What a real Apache Flink makes of topics that are read by `upsert-kafka`: each case of upserts/ is a script, the records of its topic, and the
changes that Flink printed.

    python3 conformance/kafka/upserts.py [--only 'key-*'] [--check]

Records the answers anew, or says where one no longer holds. `connect/tests/upserts.rs` replays them without Kafka and without Flink.
Needs Java 17 and Maven; starts a real Apache Kafka, and Flink 1.20 in one process.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import run
from recorder import cache, flink

CASES = run.HERE / "upserts"
# Two inputs come in no order: only what is left at the end is always the same.
BY_THEIR_END = ["joined"]


def put(world, topic, records):
    """Makes a topic of one partition with these records, in their order."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import NewTopic
    world.ask(lambda admin: admin.create_topics([NewTopic(topic, 1, 1)]))
    producer = Producer({"bootstrap.servers": world.servers, "enable.idempotence": True, "log_level": 0})
    for key, value in records:
        run.repeat(lambda: producer.produce(topic, key=key, value=value, partition=0))
    producer.flush()


def printed(world, paths, scratch):
    """What Flink prints for each case, without the identifier, in its order."""
    jars, kafka = cache.flink_jars(), cache.flink_kafka_jars()
    source = run.HERE.parent / "flink"
    classes = cache.runner_classes(source, jars)
    folders = []
    for path in paths:
        put(world, path.name, [json.loads(line) for line in (path / "records.ndjson").read_text().splitlines()])
        folders.append(scratch / path.name)
        folders[-1].mkdir()
        script = (path / "case.sql").read_text()
        for word, value in {"servers": world.servers, "topic": path.name, "name": path.name}.items():
            script = script.replace("{" + word + "}", value)
        (folders[-1] / "case.sql").write_text(script)
    listed = scratch / "folders.txt"
    listed.write_text("".join(f"{folder}\n" for folder in folders))
    done = subprocess.run(
        ["java", "-Xmx1200m", "-XX:+UseSerialGC", "-Duser.timezone=UTC",
         *[part for package in flink.OPENED for part in ("--add-opens", f"{package}=ALL-UNNAMED")],
         f"-Dlog4j2.configurationFile={source / 'log4j2.properties'}", f"-Djava.io.tmpdir={scratch}",
         "-cp", f"{classes}:{jars}/*:{kafka}/*", "Runner", str(listed)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=900)
    for folder in folders:
        outcome = folder / "outcome.txt"
        if not outcome.exists() or outcome.read_text() != "ok\n":
            sys.exit(f"{folder.name}: {outcome.read_text() if outcome.exists() else done.stderr[-4000:]}")
    lines = [line.partition("> ") for line in done.stdout.splitlines()]
    return {path.name: [row for name, _, row in lines if name == path.name] for path in paths}


def left(changes):
    """The rows that are there when all changes have been made, each with how often it is."""
    rows = collections.Counter()
    for change in changes.splitlines():
        rows[change[2:]] += 1 if change.startswith("+") else -1
    return {row: count for row, count in rows.items() if count}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="*", help="a glob on the case's name")
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs, exit 1 if anything does")
    args = parser.parse_args()
    cache.need("java", "to run Kafka and Flink")
    run.in_own_python()
    paths = sorted(path for path in CASES.glob(args.only) if path.is_dir())
    folder, differ = pathlib.Path(tempfile.mkdtemp(prefix="hailstream-upserts-")), 0
    try:
        with run.World("none", folder, None) as world:
            world.start_broker()
            scratch = folder / "scratch"
            scratch.mkdir()
            for name, rows in printed(world, paths, scratch).items():
                fresh, recorded = "".join(f"{row}\n" for row in rows), CASES / name / "changes.txt"
                comparable = left if name in BY_THEIR_END else str
                if not args.check:
                    recorded.write_text(fresh)
                elif comparable(recorded.read_text()) != comparable(fresh):
                    differ += 1
                    print(f"{name}: recorded {recorded.read_text()!r}, got {fresh!r}")
                print(f"{name}: {len(rows)} changes")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
