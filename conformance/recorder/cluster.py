"""A real Flink session cluster with its SQL gateway on loopback: three processes, in a temporary folder."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from . import cache

START_SECONDS_MAX = 120
OPENED = ["java.base/" + package for package in ("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks",
                                                "java.lang", "java.lang.invoke", "java.lang.reflect", "java.nio", "java.net", "java.time",
                                                "java.text", "java.math", "java.io", "java.security", "sun.net.util", "sun.nio.ch")]
# What Flink's own start script would compute of the memory of a worker.
WORKER = {"taskmanager.cpu.cores": "2.0", "taskmanager.memory.framework.heap.size": "128m", "taskmanager.memory.framework.off-heap.size": "128m",
          "taskmanager.memory.task.heap.size": "384m", "taskmanager.memory.task.off-heap.size": "0b", "taskmanager.memory.managed.size": "256m",
          "taskmanager.memory.network.min": "64m", "taskmanager.memory.network.max": "64m", "taskmanager.memory.jvm-metaspace.size": "256m",
          "taskmanager.memory.jvm-overhead.min": "192m", "taskmanager.memory.jvm-overhead.max": "192m"}


class Cluster:
    """The processes of one cluster, each of which can be killed and started again."""

    def __init__(self, home, slots=4, options=None):
        self.home = pathlib.Path(home)
        self.slots = slots
        self.rest, self.gateway, self.rpc = free_ports(3)
        self.jars = cache.flink_jars()
        self.connectors = cache.flink_cluster_jars()
        self.plugins = cache.flink_plugins()
        self.state = self.home / "state"
        self.processes = {}
        self.options = {"jobmanager.rpc.address": "127.0.0.1", "jobmanager.rpc.port": self.rpc, "jobmanager.bind-host": "127.0.0.1",
                        "rest.address": "127.0.0.1", "rest.bind-address": "127.0.0.1", "rest.port": self.rest,
                        "taskmanager.host": "127.0.0.1", "taskmanager.bind-host": "127.0.0.1", "taskmanager.numberOfTaskSlots": slots,
                        "jobmanager.memory.process.size": "768m", "jobmanager.scheduler": "adaptive", "parallelism.default": 1,
                        "sql-gateway.endpoint.rest.address": "127.0.0.1", "sql-gateway.endpoint.rest.bind-address": "127.0.0.1",
                        "sql-gateway.endpoint.rest.port": self.gateway, "execution.checkpointing.dir": f"file://{self.state}/checkpoints",
                        "execution.checkpointing.savepoint-dir": f"file://{self.state}/savepoints", "web.upload.dir": str(self.home / "uploads"),
                        "io.tmp.dirs": str(self.home / "tmp"), "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1000,
                        "restart-strategy.fixed-delay.delay": "1 s", "heartbeat.timeout": 10_000, "heartbeat.interval": 2_000} | (options or {})

    @property
    def rest_url(self):
        return f"http://127.0.0.1:{self.rest}"

    @property
    def gateway_url(self):
        return f"http://127.0.0.1:{self.gateway}"

    def start(self):
        for folder in ("conf", "state", "uploads", "tmp"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        lines = [f"{key}: {value}" for key, value in self.options.items()]
        (self.home / "conf" / "config.yaml").write_text("\n".join(lines) + "\n")
        self.start_job_manager()
        self.start_worker()
        self.start_gateway()
        self.await_answer(f"{self.gateway_url}/info")
        self.await_workers()

    def start_job_manager(self):
        self.run("jobmanager", 400, "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", ["--configDir", self.home / "conf"])
        self.await_answer(f"{self.rest_url}/overview")

    def start_worker(self):
        options = [part for key, value in WORKER.items() for part in ("-D", f"{key}={value}")]
        self.run("taskmanager", 700, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner", ["--configDir", self.home / "conf", *options])

    def start_gateway(self):
        ends = [f"-D{key}={value}" for key, value in self.options.items() if key.startswith("sql-gateway")]
        self.run("gateway", 400, "org.apache.flink.table.gateway.SqlGateway", ends)

    def run(self, role, heap_mb, main, arguments):
        opened = [part for package in OPENED for part in ("--add-opens", f"{package}=ALL-UNNAMED")]
        classes = f"{self.jars}/*:{self.connectors}/*"
        environment = os.environ | {"FLINK_CONF_DIR": str(self.home / "conf"), "FLINK_PLUGINS_DIR": str(self.plugins)}
        with open(self.home / f"{role}.txt", "ab") as output:
            self.processes[role] = subprocess.Popen(
                ["java", f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-Duser.timezone=UTC", *opened, f"-Djava.io.tmpdir={self.home / 'tmp'}",
                 f"-Dlog4j2.configurationFile={pathlib.Path(__file__).parent.parent / 'flink' / 'cluster-log4j2.properties'}",
                 "-cp", classes, main, *map(str, arguments)],
                cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def kill(self, role):
        """Ends a process as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[role].pid, signal.SIGKILL)
        self.processes[role].wait()

    def stop(self):
        for role in self.processes:
            self.kill(role)

    def await_answer(self, url):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                return ask(url)
            if any(process.poll() is not None for process in self.processes.values()):
                break
            time.sleep(0.25)
        texts = "\n".join((self.home / f"{role}.txt").read_text(errors="replace")[-2000:] for role in self.processes)
        sys.exit(f"the Flink cluster did not answer at {url}:\n{texts}")

    def await_workers(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if ask(f"{self.rest_url}/overview")["slots-total"] >= self.slots:
                return
            time.sleep(0.25)
        sys.exit("no worker of the Flink cluster came:\n" + (self.home / "taskmanager.txt").read_text(errors="replace")[-3000:])


def ask(url, body=None, method=None):
    """One request in JSON; the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read() or b"null")


def free_ports(count):
    """Ports that are free on loopback now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def started(slots=4, options=None):
    """Starts a cluster and yields it; ends it and removes its folder afterwards."""
    cache.need("java", "to run Flink")
    home = tempfile.mkdtemp(prefix="hailstream-flink-cluster-")
    cluster = Cluster(home, slots, options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    with started() as cluster:
        print(f"--flink {cluster.rest_url} --flink-gateway {cluster.gateway_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
