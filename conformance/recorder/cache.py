"""Where the real systems are kept, and how they get there: fetched once by mvn and pip, outside the repository."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

ELASTICSEARCH_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hailstream</groupId><artifactId>conformance-elasticsearch</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.codelibs</groupId><artifactId>elasticsearch-cluster-runner</artifactId><version>7.10.2.0</version>
  </dependency></dependencies>
</project>
"""
KAFKA_VERSION = "4.1.2"
KAFKA_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hailstream</groupId><artifactId>conformance-kafka</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
  </dependency></dependencies>
</project>
"""
FLINK_VERSION = "1.20.5"
# What a session cluster has beside Flink's own jars: the gateway, the connectors that run on it, and what these leave out.
FLINK_CLUSTER = ["org.apache.flink:flink-sql-gateway:1.20.3", "org.apache.flink:flink-sql-gateway-api:1.20.3",
                 "org.apache.flink:flink-sql-connector-elasticsearch7:3.0.1-1.17", "org.apache.flink:flink-connector-kinesis:4.3.0-1.19",
                 "commons-logging:commons-logging:1.2", "joda-time:joda-time:2.12.5", "com.google.guava:guava:32.1.3-jre"]
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
    home = folder() / "elasticsearch"
    jars = home / "lib"
    if not (home / "complete").exists():
        need("mvn", "to fetch Elasticsearch")
        print("fetching Elasticsearch 7.10.2 (36 MB, once)", flush=True)
        home.mkdir(exist_ok=True)
        (home / "pom.xml").write_text(ELASTICSEARCH_POM)
        run(["mvn", "-q", "-B", PLUGIN, f"-DoutputDirectory={jars}"], cwd=home)
        (home / "complete").touch()
    return jars


def kafka_jars():
    """The folder of Kafka's jars, fetched by Maven the first time."""
    home = folder() / "kafka"
    jars = home / "lib"
    if not (home / "complete").exists():
        need("mvn", "to fetch Kafka")
        print(f"fetching Apache Kafka {KAFKA_VERSION} (43 MB, once)", flush=True)
        home.mkdir(exist_ok=True)
        (home / "pom.xml").write_text(KAFKA_POM)
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
    home = folder() / "flink-cluster"
    jars = home / "lib"
    if not (home / "complete").exists():
        need("mvn", "to fetch Flink's gateway and connectors")
        print("fetching Flink's SQL gateway and connectors (94 MB, once)", flush=True)
        home.mkdir(exist_ok=True)
        (home / "pom.xml").write_text(pom("conformance-flink-cluster", FLINK_CLUSTER))
        run(["mvn", "-q", "-B", PLUGIN, f"-DoutputDirectory={jars}"], cwd=home)
        (home / "complete").touch()
    return jars


def pom(name, artifacts):
    """A project that has these artifacts as its dependencies, and nothing that they depend on themselves."""
    dependency = ("<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><exclusions><exclusion>"
                  "<groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>")
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
