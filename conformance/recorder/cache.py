"""Where the real systems are kept, and how they get there: fetched once by mvn and pip, outside the repository."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

ELASTICSEARCH = ["org.codelibs:elasticsearch-cluster-runner:7.10.2.0"]
KAFKA_VERSION = "4.1.2"
KAFKA = [f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"]
FLINK_VERSION = "1.20.5"
# What a session cluster has beside Flink's own jars: the gateway, the connectors that run on it, and what these leave out.
FLINK_CLUSTER = ["org.apache.flink:flink-sql-gateway:1.20.3", "org.apache.flink:flink-sql-gateway-api:1.20.3",
                 "org.apache.flink:flink-sql-connector-elasticsearch7:3.0.1-1.17", "org.apache.flink:flink-connector-kinesis:4.3.0-1.19",
                 "commons-logging:commons-logging:1.2", "joda-time:joda-time:2.12.5", "com.google.guava:guava:32.1.3-jre"]
FLINK_S3 = ["org.apache.flink:flink-s3-fs-hadoop:1.20.1"]
FLINK_KAFKA = ["org.apache.flink:flink-connector-kafka:3.4.0-1.20"]
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def folder():
    """The cache folder, made if need be."""
    own = os.environ.get("HAILSTREAM_CONFORMANCE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    path = pathlib.Path(own) if own else pathlib.Path(base) / "hailstream-conformance"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def need(program, why):
    """Ends with one clear line where a program is missing."""
    if shutil.which(program) is None:
        sys.exit(f"record.py: `{program}` was not found on the PATH; it is needed {why}")


def run(arguments, **options):
    """Runs a command quietly; ends with its output if it fails."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"record.py: `{' '.join(map(str, arguments))}` failed:\n{done.stdout[-4000:]}")


def elasticsearch_jars():
    """The folder of Elasticsearch's jars, fetched by Maven the first time."""
    return maven_jars("elasticsearch", ELASTICSEARCH, "Elasticsearch 7.10.2 (36 MB, once)")


def kafka_jars():
    """The folder of Kafka's jars, fetched by Maven the first time."""
    return maven_jars("kafka", KAFKA, f"Apache Kafka {KAFKA_VERSION} (43 MB, once)")


def maven_jars(name, artifacts, what, alone=False):
    """A folder of jars, fetched by Maven the first time; with what the artifacts depend on, unless they are wanted `alone`."""
    home = folder() / name
    jars = home / "lib"
    if not (home / "complete").exists():
        need("mvn", f"to fetch {what.partition(' (')[0]}")
        print(f"fetching {what}", flush=True)
        home.mkdir(exist_ok=True)
        (home / "pom.xml").write_text(pom(f"conformance-{name}", artifacts, alone))
        run(["mvn", "-q", "-B", PLUGIN, f"-DoutputDirectory={jars}"], cwd=home)
        (home / "complete").touch()
    return jars


def flink_jars():
    """The folder of Flink's jars, taken out of PyPI's source archive the first time."""
    home = folder() / "flink"
    jars = home / "lib"
    if not (home / "complete").exists():
        print(f"fetching Apache Flink {FLINK_VERSION} (232 MB, once)", flush=True)
        home.mkdir(exist_ok=True)
        venv = home / "venv"
        run([sys.executable, "-m", "venv", str(venv)])
        run([str(venv / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
             "--dest", str(home), f"apache-flink-libraries=={FLINK_VERSION}"])
        archive = home / f"apache_flink_libraries-{FLINK_VERSION}.tar.gz"
        unpack_jars(archive, jars)
        archive.unlink()
        shutil.rmtree(venv)
        (home / "complete").touch()
    return jars


def flink_cluster_jars():
    """The folder of the jars that a session cluster has beside Flink's own, fetched by Maven the first time."""
    return maven_jars("flink-cluster", FLINK_CLUSTER, "Flink's SQL gateway and connectors (94 MB, once)", alone=True)


def flink_plugins():
    """A folder with a folder of jars for each plugin of Flink: its client of S3, fetched by Maven the first time."""
    return maven_jars("flink-plugins", FLINK_S3, "Flink's client of S3 (31 MB, once)", alone=True).parent


def flink_kafka_jars():
    """The folder of the jars of Flink's connectors for Kafka, fetched by Maven the first time."""
    return maven_jars("flink-kafka", FLINK_KAFKA, "Flink's connectors for Kafka (10 MB, once)")


def pom(name, artifacts, alone):
    """A project that has these artifacts as its dependencies; `alone`: and nothing that they depend on themselves."""
    excluded = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>" if alone else ""
    dependency = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>" + excluded + "</dependency>"
    listed = "".join(dependency.format(*artifact.split(":")) for artifact in artifacts)
    return ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>hailstream</groupId>'
            f"<artifactId>{name}</artifactId><version>1</version><dependencies>{listed}</dependencies></project>")


def unpack_jars(archive, jars):
    """Copies the jars under deps/lib out of the source archive."""
    jars.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            if "/deps/lib/" in member.name and member.name.endswith(".jar"):
                with tar.extractfile(member) as source, open(jars / pathlib.Path(member.name).name, "wb") as target:
                    shutil.copyfileobj(source, target)


def runner_classes(source, jars):
    """Compiles the Flink runner; the classes stand in the cache and are made anew when the source is newer."""
    classes = folder() / "flink" / "classes"
    stamp = classes / "stamp"
    functions = source.parent.parent / "flink-functions" / "src" / "main" / "java"
    sources = sorted(source.glob("*.java")) + sorted(functions.rglob("*.java"))
    if not stamp.exists() or any(s.stat().st_mtime > stamp.stat().st_mtime for s in sources):
        need("javac", "to compile the Flink runner")
        classes.mkdir(exist_ok=True)
        run(["javac", "-nowarn", "-cp", f"{jars}/*", "-d", str(classes), *map(str, sources)])
        stamp.touch()
    return classes
