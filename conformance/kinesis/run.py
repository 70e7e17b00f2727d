"""Official clients against the real binary: the Kinesis Client Library, polling and with enhanced fan-out, through a split,
an UpdateShardCount and a merge, killed and resumed; the Kinesis Producer Library and the AWS SDK for Rust, both in plain text
and over TLS, the latter signed.

    python3 conformance/kinesis/run.py target/release/hailstream [--only NAME]

Needs Java 17 and Maven for the Java clients, Cargo for the Rust one. What else is needed (the clients, a DynamoDB for the leases) is fetched into caches beside this file.
A client may hand out a record twice after it was killed: it resumes at its last checkpoint. It must never miss one, and the
first sight of each must be in the order of its key.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from recorder.waiting import WAIT_S, free_port, wait_for  # noqa: E402

CACHE = HERE / "target"
KEYS = 50


def prepare(cases):
    """Fetches the clients that the cases need and compiles the programs; gives the class path and the Python to run in."""
    if any(not name.startswith("rust-") for name in cases):
        subprocess.run(["mvn", "-q", "-B", "compile", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"],
                       cwd=HERE, check=True)
    if any(name.startswith("rust-") for name in cases):
        subprocess.run(["cargo", "build", "--quiet", "--locked", "--manifest-path", HERE / "rust" / "Cargo.toml",
                        "--target-dir", CACHE / "rust"], check=True)
    python = CACHE / "venv" / "bin" / "python"
    if not (CACHE / "venv" / "ready").exists():
        venv.create(CACHE / "venv", with_pip=True)
        packages = ["boto3==1.43.11", "moto[server]==5.1.22"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (CACHE / "venv" / "ready").write_text("")
    return f"{CACHE / 'classes'}:{CACHE / 'lib'}/*", python


class World:
    """A platform, a DynamoDB, and the programs between them; gone when the block ends."""

    def __init__(self, binary, class_path, python, folder):
        self.binary, self.class_path, self.python, self.folder = binary, class_path, python, folder
        self.processes, self.dynamo_url = [], None

    def __enter__(self):
        return self

    def serve(self, *flags):
        """Starts the platform; `aws` is the address of its door."""
        addresses = self.folder / "addresses.json"
        self.spawn([self.binary, "serve", "--data-dir", self.folder / "data", "--aws-port", "0", "--search-port", "0",
                    "--console-port", "0", "--addresses-file", addresses, *flags], "platform")
        wait_for(addresses.exists, "the platform")
        self.aws = json.loads(addresses.read_text())["aws"]

    def dynamo(self):
        """The address of a DynamoDB, which is started by the first who asks."""
        if self.dynamo_url is None:
            port = free_port()
            self.spawn([self.python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], "dynamodb")
            wait_for(lambda: answers(port), "the DynamoDB")
            self.dynamo_url = f"http://127.0.0.1:{port}"
        return self.dynamo_url

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def spawn(self, command, name, **more):
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=more.pop("stdout", log),
                                   stderr=log, **more)
        self.processes.append(process)
        return process

    def java(self, program, *args, **more):
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Xmx512m"]
        return self.spawn(["java", *quiet, "-cp", self.class_path, program, *map(str, args)], program, **more)

    def kinesis(self):
        import boto3
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client("kinesis", endpoint_url=self.aws, **keys)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def settled(kinesis, stream):
    def active():
        return kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"
    wait_for(active, f"{stream} to be active", 60)


def put(kinesis, stream, numbers):
    """Stores numbered records; what is throttled is sent again, which keeps the order of each key."""
    waiting = [{"Data": f"record {n}".encode(), "PartitionKey": f"key-{n % KEYS}"} for n in numbers]
    while waiting:
        batch, waiting = waiting[:400], waiting[400:]
        answer = kinesis.put_records(StreamName=stream, Records=batch)
        refused = [entry for entry, result in zip(batch, answer["Records"]) if "ErrorCode" in result]
        if refused:
            time.sleep(0.3)
        waiting = refused + waiting


def lines(path):
    """What a consumer wrote; a line that a kill cut short is left out."""
    if not path.exists():
        return []
    text = path.read_text()
    return [line.split("\t") for line in text[: text.rfind("\n") + 1].splitlines()]


def check(path, count):
    """Every record was seen, and for the first time in the order of its key; gives how many were seen again."""
    seen, order, again = set(), {}, 0
    for line in lines(path):
        if line[1] == "end":
            continue
        number = int(line[4].removeprefix("record "))
        assert line[3] == f"key-{number % KEYS}", line
        if number in seen:
            again += 1
            continue
        seen.add(number)
        order.setdefault(line[3], []).append(number)
    missing = set(range(count)) - seen
    assert not missing, f"{len(missing)} of {count} records are missing, such as {sorted(missing)[:5]}"
    assert seen == set(range(count)), "records that nobody put"
    for key, numbers in order.items():
        assert numbers == sorted(numbers), f"{key} is out of order"
    return again


def consume(world, mode):
    """Reads through a split, an UpdateShardCount and a merge, killed and resumed in the middle."""
    world.serve()
    kinesis, stream = world.kinesis(), f"taxi-{mode}"
    out = world.folder / f"{mode}.tsv"
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    settled(kinesis, stream)
    args = [stream, f"app-{mode}", world.aws, world.dynamo(), mode, out]
    consumer = world.java("Consumer", *args)
    put(kinesis, stream, range(0, 1_000))
    wait_for(lambda: len(lines(out)) >= 500, f"the first records ({mode})")
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
    settled(kinesis, stream)
    put(kinesis, stream, range(1_000, 2_000))
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=6, ScalingType="UNIFORM_SCALING")
    settled(kinesis, stream)
    put(kinesis, stream, range(2_000, 3_000))
    wait_for(lambda: len(lines(out)) >= 1_500, f"records from children ({mode})")
    consumer.kill()
    consumer.wait()
    put(kinesis, stream, range(3_000, 4_000))
    shards = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    shards.sort(key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
    kinesis.merge_shards(StreamName=stream, ShardToMerge=shards[0]["ShardId"], AdjacentShardToMerge=shards[1]["ShardId"])
    settled(kinesis, stream)
    consumer = world.java("Consumer", *args)
    put(kinesis, stream, range(4_000, 5_000))

    def whole():
        return len({line[4] for line in lines(out) if line[1] != "end"}) >= 5_000 or consumer.poll() is not None
    wait_for(whole, f"all records ({mode})")
    assert consumer.poll() is None, f"the consumer ended with {consumer.poll()}"
    again = check(out, 5_000)
    consumer.kill()
    print(f"KCL 3.5.1, {mode}: 5000 records through 4 reshards and a kill, none missing, in order; {again} handed out again")


def produce(world, secure):
    """Writes aggregated records through a reshard, and reads them with the KCL, which takes them apart."""
    world.serve()
    kinesis, name = world.kinesis(), "tls" if secure else "plain"
    stream, out = f"cabs-{name}", world.folder / f"cabs-{name}.tsv"
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    settled(kinesis, stream)
    host, port = world.aws.removeprefix("http://").split(":")
    env = dict(os.environ) if secure else {**os.environ, "AWS_ENDPOINT_URL_KINESIS": world.aws}
    producer = world.java("Producer", stream, host, port, 20_000, 4_000, env=env, stdout=subprocess.PIPE)
    time.sleep(2)
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    report = producer.communicate(timeout=WAIT_S)[0].decode().split()
    assert producer.returncode == 0, f"the producer ended with {producer.returncode}: {report}"
    settled(kinesis, stream)
    args = [stream, f"app-cabs-{name}", world.aws, world.dynamo(), "polling", out]
    consumer = world.java("Consumer", *args)
    numbers = set()

    def whole():
        numbers.update(line[4] for line in lines(out) if line[1] != "end")
        return len(numbers) >= 20_000 or consumer.poll() is not None
    wait_for(whole, f"all user records ({name})")
    assert numbers == {f"record {n}" for n in range(20_000)}
    parts = [line for line in lines(out) if line[1] != "end" and int(line[2]) > 0]
    assert parts, "nothing was aggregated"
    consumer.kill()
    print(f"KPL 1.1.1, {name}: {report[0]} user records stored through a reshard ({report[1]} in several attempts), "
          f"{len(parts)} of them inside aggregated records, all read")


def walk(world, secure):
    """Walks through the operations with the SDK for Rust; over TLS each request is signed with a key that the door knows."""
    keys = {"AWS_ACCESS_KEY_ID": "WALKER", "AWS_SECRET_ACCESS_KEY": "a secret"}
    if secure:
        ring = world.folder / "keys.toml"
        ring.write_text("[[key]]\nid = 'WALKER'\nsecret = 'a secret'\nrole = 'admin'\n")
        ring.chmod(0o600)
        world.serve("--credentials", ring)
        args = [world.aws.replace("http://", "https://"), world.folder / "data" / "tls" / "cert.pem", "--signed"]
    else:
        world.serve()
        args = [world.aws]
    program = CACHE / "rust" / "debug" / "kinesis-client"
    done = subprocess.run([program, *args], env={**os.environ, **keys}, stdout=subprocess.PIPE, text=True, timeout=WAIT_S)
    name = "tls" if secure else "plain"
    print("\n".join(f"SDK for Rust, {name}: {line}" for line in done.stdout.splitlines()))
    assert done.returncode == 0, f"the walk ended with {done.returncode}"


CASES = {
    "kcl-polling": lambda world: consume(world, "polling"),
    "kcl-fan-out": lambda world: consume(world, "fan-out"),
    "kpl-plain": lambda world: produce(world, secure=False),
    "kpl-tls": lambda world: produce(world, secure=True),
    "rust-plain": lambda world: walk(world, secure=False),
    "rust-tls": lambda world: walk(world, secure=True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    args = parser.parse_args()
    class_path, python = prepare([args.only] if args.only else CASES)
    if pathlib.Path(sys.prefix).resolve() != (CACHE / "venv").resolve():
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    for name, case in CASES.items():
        if args.only in (None, name):
            folder = pathlib.Path(tempfile.mkdtemp(prefix=f"hailstream-{name}-"))
            with World(args.binary.resolve(), class_path, python, folder) as world:
                case(world)
            if not args.keep:
                subprocess.run(["rm", "-rf", str(folder)], check=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
