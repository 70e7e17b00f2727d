"""A real Apache Kafka 4.1.2, a real Elasticsearch 7.10.2 and the real binary: topics are read and written, and indices written, while all
three are killed, and everything is counted.

    python3 conformance/kafka/run.py target/release/hailstream [--records 40000] [--keep]

Needs Java 17 and Maven; the client that puts and counts (confluent-kafka) is fetched into the cache of the recorder.

One application reads a topic of transactions, some of them given up, through kills of the broker and of the platform with
SIGKILL, a partition more in the middle, changes of its parallelism, and a stranger that takes its transactional id. It writes each row once to a topic,
once to files and to an index, at least once to another topic, and counts by key into an upserted one and into an index. A second application reads the
upserted topic back and groups what changes. Whoever reads what is committed must
see each row of each committed transaction once, in the order of its key.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from recorder import cache, elasticsearch  # noqa: E402
from recorder.waiting import WAIT_S, free_port, wait_for  # noqa: E402

CLIENT = "confluent-kafka==2.16.1"
KEYS = 40
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_taxi="secret";
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
"""
SCRIPT = """
CREATE TABLE trips (id BIGINT, cab STRING, fare DOUBLE) WITH (
  'connector' = 'kafka', 'topic' = 'trips', 'properties.bootstrap.servers' = '{servers}',
  'properties.group.id' = 'reader', 'scan.startup.mode' = 'earliest-offset',
  'scan.topic-partition-discovery.interval' = '2 s', 'format' = 'json');

CREATE TABLE once (id BIGINT, cab STRING, fare DOUBLE) WITH (
  'connector' = 'kafka', 'topic' = 'once', 'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'raw', 'key.fields' = 'cab', 'value.format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'conformance');

CREATE TABLE often (id BIGINT, cab STRING) WITH (
  'connector' = 'kafka', 'topic' = 'often', 'properties.bootstrap.servers' = '{servers}', 'format' = 'json');

CREATE TABLE totals (cab STRING, trips BIGINT, PRIMARY KEY (cab) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'totals', 'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json', 'value.format' = 'json');

CREATE TABLE found (id BIGINT, cab STRING, fare DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'elasticsearch-7', 'hosts' = '{search}', 'hailstream.index' = 'outside', 'index' = 'found');

CREATE TABLE counted (cab STRING, trips BIGINT, PRIMARY KEY (cab) NOT ENFORCED) WITH (
  'connector' = 'elasticsearch-7', 'hosts' = '{search}', 'hailstream.index' = 'outside', 'index' = 'counted');

CREATE TABLE files (id BIGINT, cab STRING) WITH ('connector' = 'filesystem', 'path' = '{files}', 'format' = 'json');

EXECUTE STATEMENT SET BEGIN
  INSERT INTO once SELECT id, cab, fare FROM trips;
  INSERT INTO often SELECT id, cab FROM trips;
  INSERT INTO files SELECT id, cab FROM trips;
  INSERT INTO totals SELECT cab, COUNT(*) FROM trips GROUP BY cab;
  INSERT INTO found SELECT id, cab, fare FROM trips;
  INSERT INTO counted SELECT cab, COUNT(*) FROM trips GROUP BY cab;
END;
"""
BOUNDED = """
CREATE TABLE trips (id BIGINT, cab STRING) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '127.0.0.1:{login}',
  'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' =
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="taxi" password="{password}";',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
CREATE TABLE again (id BIGINT, cab STRING) WITH (
  'connector' = 'kafka', 'topic' = 'again', 'properties.bootstrap.servers' = '{servers}', 'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'bounded');
INSERT INTO again SELECT id, cab FROM trips;
"""
BACK = """
CREATE TABLE totals (cab STRING, trips BIGINT, PRIMARY KEY (cab) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'totals', 'properties.bootstrap.servers' = '{servers}', 'properties.group.id' = 'back',
  'key.format' = 'json', 'value.format' = 'json');

CREATE TABLE rests (rest BIGINT, cabs BIGINT, trips BIGINT, PRIMARY KEY (rest) NOT ENFORCED) WITH (
  'connector' = 'elasticsearch-7', 'hosts' = '{search}', 'hailstream.index' = 'outside', 'index' = 'rests');

INSERT INTO rests SELECT MOD(trips, 7), COUNT(*), SUM(trips) FROM totals GROUP BY MOD(trips, 7);
"""
STACK = """
applications:
  - name: copy
    script: copy.sql
    parallelism: 2
    checkpoint_interval_ms: 500
  - name: back
    script: back.sql
    parallelism: 2
    checkpoint_interval_ms: 500
"""


def in_own_python():
    """Goes on in a Python that has the client."""
    home = cache.folder() / "kafka-client"
    python = home / "bin" / "python"
    if not (home / CLIENT).exists():
        venv.create(home, with_pip=True)
        cache.run([python, "-m", "pip", "install", "--quiet", CLIENT])
        (home / CLIENT).touch()
    if pathlib.Path(sys.prefix) != home:
        os.execv(python, [python, *sys.argv])


class Program:
    """A process that is killed without notice and started anew."""

    def __init__(self, folder, name, command):
        self.log, self.command, self.process = folder / f"{name}.log", command, None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "HAILSTREAM_LOG": "warn,connect=info"})

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class World:
    def __init__(self, binary, folder, node):
        self.node = node
        self.folder, self.port, self.login, self.controller = folder, free_port(), free_port(), free_port()
        self.servers = f"127.0.0.1:{self.port}"
        jars = f"{cache.kafka_jars()}/*"
        properties = folder / "server.properties"
        properties.write_text(PROPERTIES.format(
            port=self.port, login=self.login, controller=self.controller, data=folder / "kafka"))
        cluster = subprocess.run(["java", "-cp", jars, "kafka.tools.StorageTool", "random-uuid"], check=True, capture_output=True,
                                 text=True).stdout.split()[-1]
        cache.run(["java", "-cp", jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)])
        self.broker = Program(folder, "broker", ["java", "-Xmx512m", "-cp", jars, "kafka.Kafka", properties])
        self.addresses = folder / "addresses.json"
        self.platform = Program(folder, "platform", [
            binary, "serve", "--data-dir", folder / "data", "--aws-port", "0", "--search-port", "0", "--console-port", "0",
            "--addresses-file", self.addresses])
        self.binary = binary

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.platform.kill()
        self.broker.kill()

    def start_broker(self):
        self.broker.start()
        wait_for(self.answers, "the broker")

    def answers(self):
        from confluent_kafka.admin import AdminClient
        with contextlib.suppress(Exception):
            return AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=2)
        return None

    def start_platform(self):
        self.addresses.unlink(missing_ok=True)
        self.platform.start()
        wait_for(self.addresses.exists, "the platform")

    def apply(self):
        (self.folder / "copy.sql").write_text(SCRIPT.format(
            servers=self.servers, files=self.folder / "files", search=self.node.address))
        (self.folder / "back.sql").write_text(BACK.format(servers=self.servers, search=self.node.address))
        (self.folder / "stack.yaml").write_text(STACK)
        console = json.loads(self.addresses.read_text())["console"]
        cache.run([str(self.binary), "apply", str(self.folder / "stack.yaml"), "--console", console])

    def scale(self, parallelism):
        console = json.loads(self.addresses.read_text())["console"]
        command = [self.binary, "app", "scale", "copy", "--parallelism", str(parallelism), "--console", console]
        # One that has just lost its id is being started again.
        wait_for(lambda: subprocess.run(command, capture_output=True).returncode == 0, f"parallelism {parallelism}", 30)

    def stop(self, application):
        console = json.loads(self.addresses.read_text())["console"]
        cache.run([str(self.binary), "app", "stop", application, "--console", console])

    def ask(self, question):
        """Waits for what a question to an administering client comes to."""
        from confluent_kafka.admin import AdminClient
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        for answer in question(admin).values():
            answer.result(60)

    def documents(self, index):
        """All documents of an index by id."""
        return {key[1]: document for key, document in elasticsearch.documents(self.node.address, index).items()}

    def committed(self, group, topic):
        """The offsets of a group in the partitions of a topic where it has any."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group, "log_level": 0})
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        found = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=30)
        consumer.close()
        return {place.partition: place.offset for place in found if place.offset >= 0}

    def places(self, topic):
        """Partition and offset of all records of a topic that may be read."""
        return [(message.partition(), message.offset()) for message in self.messages(topic, "read_committed")]

    def read(self, topic, isolation="read_committed"):
        """All records of a topic, partition by partition."""
        return [(message.partition(), message.key(), message.value()) for message in self.messages(topic, isolation)]

    def messages(self, topic, isolation):
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "counter", "isolation.level": isolation,
                             "enable.partition.eof": True, "enable.auto.commit": False, "log_level": 0})
        partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        found, ended = [], set()
        while len(ended) < len(partitions):
            message = consumer.poll(30)
            assert message is not None, f"nothing came from {topic}"
            if message.error() is None:
                found.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise SystemExit(f"{topic}: {message.error()}")
        consumer.close()
        return found


def put(world, count, done):
    """Puts numbered trips in transactions, every tenth of which is given up; through kills of the broker."""
    from confluent_kafka import KafkaException, Producer
    settings = {"bootstrap.servers": world.servers, "transactional.id": "put", "transaction.timeout.ms": 60_000, "log_level": 0,
                "topic.metadata.refresh.interval.ms": 500}
    producer = Producer(settings)
    repeat(lambda: producer.init_transactions(30))
    for batch, first in enumerate(range(0, count, 200)):
        numbers, spurious = range(first, min(first + 200, count)), batch % 10 == 9
        while True:
            try:
                producer.begin_transaction()
                if spurious:
                    send(producer, world, range(-1 - first, -51 - first, -1))
                    producer.flush()
                    producer.abort_transaction(60)
                    producer.begin_transaction()
                send(producer, world, numbers)
                producer.produce("trips", key="nobody", value=None, partition=0)
                repeat(lambda: producer.commit_transaction(60))
                break
            except KafkaException as error:
                if error.args[0].txn_requires_abort():
                    repeat(lambda: producer.abort_transaction(60))
                else:
                    raise
        done.append(len(numbers))
        time.sleep(0.05)
    producer.begin_transaction()
    send(producer, world, range(-1, -100, -1))
    producer.flush()
    repeat(lambda: producer.abort_transaction(60))


def repeat(call):
    from confluent_kafka import KafkaError, KafkaException
    while True:
        try:
            return call()
        except KafkaException as error:
            new = error.args[0].code() == KafkaError._UNKNOWN_PARTITION
            if not (new or error.args[0].retriable()):
                raise
            time.sleep(0.1)


def send(producer, world, numbers):
    for n in numbers:
        cab = f"cab-{n % KEYS}"
        trip = {"id": n, "cab": cab, "fare": n / 4}
        # A cab keeps its partition when there is one more.
        repeat(lambda: producer.produce("trips", key=cab, value=json.dumps(trip), partition=partition_of(n, world)))


def partition_of(n, world):
    return 3 if world.grown and n % KEYS == 0 and n >= world.grown else n % KEYS % 3


def count(world, total):
    """Asserts that everything is there as often as it must be."""
    once = [json.loads(value) for _, _, value in world.read("once")]
    assert all(row == {"id": row["id"], "cab": f"cab-{row['id'] % KEYS}", "fare": row["id"] / 4} for row in once)
    times = collections.Counter(row["id"] for row in once)
    missing, twice = set(range(total)) - set(times), [n for n, t in times.items() if t > 1]
    strange = set(times) - set(range(total))
    assert not missing and not twice and not strange, (
        f"written once: {len(missing)} missing ({sorted(missing)[:5]}), {len(twice)} doubled ({sorted(twice)[:5]}), "
        f"{len(strange)} that were given up")
    homes, last = {}, {}
    for partition, key, value in world.read("once"):
        n = json.loads(value)["id"]
        assert homes.setdefault(key, partition) == partition, f"{key} is in two partitions"
        if n % KEYS:
            assert last.get(key, -1) < n, f"{key} is out of order"
        last[key] = n
    often = collections.Counter(json.loads(value)["id"] for _, _, value in world.read("often"))
    assert set(often) == set(range(total)), "rows that are written at least once are missing"
    lines = [line for part in (world.folder / "files").glob("part-*") for line in part.read_text().splitlines()]
    files = collections.Counter(json.loads(line)["id"] for line in lines)
    assert set(files) == set(range(total)) and len(lines) == total, f"{len(lines)} lines in files for {total} rows"
    totals = {json.loads(key)["cab"]: json.loads(value)["trips"] for _, key, value in world.read("totals")}
    expected = collections.Counter(f"cab-{n % KEYS}" for n in range(total))
    assert totals == expected, f"the last count of a cab is wrong: {totals}"
    found = world.documents("found")
    assert found == {str(n): {"id": n, "cab": f"cab-{n % KEYS}", "fare": n / 4} for n in range(total)}, f"{len(found)} of {total} documents"
    counted = {cab: document["trips"] for cab, document in world.documents("counted").items()}
    assert counted == expected, f"the last count of a cab in the index is wrong: {counted}"
    dirty = len(world.read("once", "read_uncommitted"))
    return dirty - total, sum(often.values()) - total


def to_the_end(world, total):
    """Reads a topic to its end with a login, whose last records were given up, and says what is wrong with what is not there."""
    def sql(**given):
        script = BOUNDED.format(**{"login": world.login, "servers": world.servers, "topic": "trips", "password": "secret", **given})
        return subprocess.run([world.binary, "sql", "-e", script], capture_output=True, text=True, timeout=WAIT_S)
    done = sql()
    assert done.returncode == 0, done.stderr
    times = collections.Counter(json.loads(value)["id"] for _, _, value in world.read("again"))
    assert set(times) == set(range(total)) and sum(times.values()) == total, f"{sum(times.values())} of {total} rows to the end"
    for given, words in [({"password": "guess"}, "check the name and password"), ({"topic": "none"}, "create the topic first")]:
        refused = sql(**given)
        assert refused.returncode != 0 and words in refused.stderr, f"{given}: {refused.stderr}"
        assert "guess" not in refused.stderr and "secret" not in refused.stderr


def stopped(world):
    """Asserts that the group has been told of the last checkpoint of a stop: everything that may be read is in it."""
    world.stop("copy")
    last = dict.fromkeys(range(4), 0)
    for partition, offset in world.places("trips"):
        last[partition] = max(offset + 1, last[partition])
    # The topic ends with marks of transactions, which no reader is given.
    assert wait_for(lambda: world.committed("reader", "trips") == last, "the group's offsets")
    assert not world.committed("KafkaSource-trips", "trips"), "a group was told that the table does not name"


def read_back(world):
    """Asserts that groups of an upserted topic, read back all the while, are those of the rows that are there, while rows go away."""
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": world.servers, "log_level": 0})

    def put(cab, trips):
        key, value = json.dumps({"cab": cab}), trips and json.dumps({"cab": cab, "trips": trips})
        repeat(lambda: producer.produce("totals", key=key, value=value or None, partition=0))
        producer.flush()

    def rests():
        rows = {}
        for _, key, value in world.read("totals"):
            cab = json.loads(key)["cab"]
            rows.pop(cab, None)
            rows.update({} if value is None else {cab: json.loads(value)["trips"]})
        groups = collections.defaultdict(lambda: [0, 0])
        for trips in rows.values():
            groups[trips % 7] = [groups[trips % 7][0] + 1, groups[trips % 7][1] + trips]
        return {str(rest): {"rest": rest, "cabs": cabs, "trips": trips} for rest, (cabs, trips) in groups.items()}

    wait_for(lambda: world.documents("rests") == rests(), "groups of the totals")
    for n in range(0, KEYS, 2):
        put(f"cab-{n}", None)
    put("cab-nowhere", None)
    world.platform.kill()
    for n in range(0, KEYS, 4):
        put(f"cab-{n}", 1_000_000 + n)
        put(f"cab-{n}", 1_000_000 + n)
    world.broker.kill()
    world.start_platform()
    world.start_broker()
    put("cab-1", None)
    wait_for(lambda: world.documents("rests") == rests(), "groups of the totals when some have gone away")
    world.stop("back")
    end = 1 + max(offset for _, offset in world.places("totals"))
    wait_for(lambda: world.committed("back", "totals") == {0: end}, "the offsets of the group that reads back")
    return end


def fence(world):
    """Takes the transactional id of a writer away from it, as a second instance of the application would."""
    from confluent_kafka import Producer
    Producer({"bootstrap.servers": world.servers, "transactional.id": "conformance-once-0", "log_level": 0}).init_transactions(30)


def kills(world, done, total):
    """Kills the broker, the platform, both, and the platform again and again, while records come."""
    def reached(part):
        wait_for(lambda: sum(done) >= total * part, f"{part:.0%} of the records")
    from confluent_kafka.admin import NewPartitions
    reached(0.15)
    world.platform.kill()
    time.sleep(2)
    world.start_platform()
    reached(0.3)
    world.broker.kill()
    time.sleep(3)
    world.start_broker()
    reached(0.4)
    world.node.kill()
    time.sleep(2)
    world.node.start()
    reached(0.45)
    world.ask(lambda admin: admin.create_partitions([NewPartitions("trips", 4)]))
    world.grown = sum(done) + 2_000
    fence(world)
    reached(0.52)
    world.scale(3)
    reached(0.56)
    world.scale(1)
    reached(0.6)
    world.platform.kill()
    world.broker.kill()
    world.start_broker()
    world.start_platform()
    reached(0.7)
    world.node.kill()
    world.node.start()
    for _ in range(4):
        time.sleep(2.3)
        world.platform.kill()
        world.start_platform()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    args = parser.parse_args()
    cache.need("java", "to run Kafka")
    in_own_python()
    from confluent_kafka.admin import NewTopic
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hailstream-kafka-"))
    done, began = [], time.monotonic()
    try:
        with elasticsearch.node() as node, World(args.binary.resolve(), folder, node) as world:
            world.grown = 0
            world.start_broker()
            topics = [NewTopic("trips", 3, 1), NewTopic("once", 2, 1), NewTopic("often", 2, 1), NewTopic("totals", 1, 1),
                      NewTopic("again", 2, 1)]
            world.ask(lambda admin: admin.create_topics(topics))
            world.start_platform()
            world.apply()
            putting = threading.Thread(target=put, args=(world, args.records, done), daemon=True)
            putting.start()
            kills(world, done, args.records)
            putting.join(WAIT_S)
            assert sum(done) == args.records, f"{sum(done)} of {args.records} records were put"
            wait_for(lambda: len(world.read("once")) >= args.records, "all rows")
            time.sleep(3)
            wait_for(lambda: len(world.documents("found")) >= args.records, "all documents")
            uncommitted, again = count(world, args.records)
            to_the_end(world, args.records)
            stopped(world)
            back = read_back(world)
            recognised = world.platform.log.read_text().count("a transaction was committed before")
            assert recognised, "no writer was asked to commit a second time, so that nothing was shown"
            print(f"Kafka {cache.KAFKA_VERSION}: {args.records} records through 3 kills of the broker, 2 of Elasticsearch, 7 of the platform, a new partition, two changes of parallelism "
                  f"and a fenced writer: each once for those who read what is committed ({uncommitted} more in transactions "
                  f"that were given up, {recognised} transactions were to be committed again), each once in files and in the index, each at least once where no more is promised ({again} again), "
                  f"totals right; read to its end with a login; the group told of the last checkpoint; {back} records of the totals read back as changes, with cabs that go away; {time.monotonic() - began:.0f} s")
    except BaseException:
        print(f"the logs are in {folder}", file=sys.stderr)
        raise
    if not args.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
