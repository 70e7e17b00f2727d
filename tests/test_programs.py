"""Applications whose code is a program, as boto3, the command line and the console make them. No cluster answers: what a cluster does
with them is in conformance/flink."""

import hashlib
import io
import json
import secrets
import urllib.error
import urllib.request
import zipfile

import pytest

from hailstream import Platform, wait_for
from object_store import ObjectStore
from test_analytics import ROLE, client, configuration, create, detail, refusal, update
from test_app_manage import app

# A cluster that is set up and away: an application is made without it.
CLUSTER = ["--flink", "http://127.0.0.1:1", "--flink-gateway", "http://127.0.0.1:1"]


def jar(content="code", manifest="Main-Class: trip.Main\n"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entries = {"META-INF/MANIFEST.MF": manifest, "trip/Main.class": content}
        for name, text in entries.items():
            if text:
                # Of no time, so that the same content has the same bytes.
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def program(content, properties=None, **more):
    """A configuration whose code is these bytes, or stands at a place."""
    held = {"ZipFileContent": content} if isinstance(content, bytes) else {"S3ContentLocation": content}
    groups = [{"PropertyGroupId": group, "PropertyMap": entries} for group, entries in (properties or {}).items()]
    return {"ApplicationCodeConfiguration": {"CodeContentType": "ZIPFILE", "CodeContent": held},
            "EnvironmentProperties": {"PropertyGroups": groups}, **more}


def place(key, **more):
    return {"BucketARN": "arn:aws:s3:::kept", "FileKey": key, **more}


def code(service, name="taxi"):
    told = detail(service, name)["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]
    return told["CodeContentType"], told["CodeContentDescription"]


def told_of(content):
    return {"CodeMD5": hashlib.md5(content).hexdigest(), "CodeSize": len(content)}


def kept(platform):
    return sorted(file.stem for file in (platform.data_dir / "data" / "programs").iterdir())


def names_of(*contents):
    return sorted(hashlib.sha256(content).hexdigest() for content in contents)


def test_a_program_is_kept_described_changed_and_removed(start):
    platform = start(*CLUSTER)
    service = client(platform)
    create(service, config=program(jar(), {"Input": {"stream": "trips"}}))
    assert code(service) == ("ZIPFILE", told_of(jar()))
    create(service, "other", config=program(jar()))
    assert kept(platform) == names_of(jar()), "each content once"
    # Another program, and back: a version in between still names the first.
    update(service, config={"ApplicationCodeConfigurationUpdate": {"CodeContentUpdate": {"ZipFileContentUpdate": jar("more")}}})
    assert code(service) == ("ZIPFILE", told_of(jar("more")))
    former = service.describe_application_version(ApplicationName="taxi", ApplicationVersionId=1)["ApplicationVersionDetail"]
    former = former["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]
    assert former == told_of(jar())
    update(service, config={"EnvironmentPropertyUpdates": {"PropertyGroups": []}})
    assert code(service) == ("ZIPFILE", told_of(jar("more"))), "what is not named stays"

    ports = {door: platform.addresses[door].rsplit(":", 1)[1] for door in ("aws", "search", "console")}
    assert platform.end() == 0
    platform = start(*CLUSTER, ports=ports)
    service = client(platform)
    assert code(service) == ("ZIPFILE", told_of(jar("more")))
    assert kept(platform) == names_of(jar(), jar("more"))
    for name, left in (("taxi", [jar()]), ("other", [])):
        service.delete_application(ApplicationName=name, CreateTimestamp=detail(service, name)["CreateTimestamp"])
        wait_for(lambda: kept(platform) == names_of(*left), f"the end of the program of {name}")


@pytest.mark.parametrize("config, error, text", [
    (program(b"SELECT 1"), "CodeValidationException", "the code is no jar: it does not begin as a zip archive does"),
    (program(jar()[:-20]), "CodeValidationException", "a zip archive that cannot be read"),
    (program(jar(manifest=None)), "InvalidArgumentException", "the manifest of its jar names no Main-Class"),
    (program(jar(manifest="Main-Class: trip.Gone\n")), "CodeValidationException", "its jar has no class trip.Gone"),
    (program(jar(), {"Hailstream": {"runner": "embedded"}}), "InvalidArgumentException", "start the platform with --flink and --flink-gateway"),
    (program(jar(), {"kinesis.analytics.flink.run.options": {"python": "main.py"}}), "InvalidArgumentException", "asks for Python"),
    (program(place("a.jar")), "InvalidArgumentException", "name them with --code-buckets"),
    ({"ApplicationCodeConfiguration": {"CodeContentType": "ZIPFILE", "CodeContent": {"TextContent": "SELECT 1"}}},
     "InvalidArgumentException", "goes with CodeContentType PLAINTEXT"),
    ({"ApplicationCodeConfiguration": {"CodeContentType": "PLAINTEXT", "CodeContent": {"ZipFileContent": jar()}}},
     "InvalidArgumentException", "go with CodeContentType ZIPFILE"),
    ({"ApplicationCodeConfiguration": {"CodeContentType": "ZIPFILE", "CodeContent": {"ZipFileContent": jar(), "TextContent": "x"}}},
     "InvalidArgumentException", "not several"),
    ({"ApplicationCodeConfiguration": {"CodeContentType": "ZIPFILE"}}, "InvalidArgumentException", "CodeContent has to be given"),
])
def test_what_cannot_be_run_is_refused_with_what_to_do(away, config, error, text):
    told = refusal(away.create_application, ApplicationName="taxi", RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
                   ApplicationConfiguration=config)
    assert told[0] == error and text in told[1], told


@pytest.fixture(scope="module")
def away(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("away"), *CLUSTER)
    yield client(platform)
    platform.end()


def test_without_a_cluster_it_is_told_how_to_have_one(start):
    service = client(start())
    told = refusal(service.create_application, ApplicationName="taxi", RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
                   ApplicationConfiguration=program(jar()))
    assert told[0] == "CodeValidationException" and "start it with --flink and --flink-gateway" in told[1], told


def test_code_comes_from_a_folder_that_stands_for_buckets(start, tmp_path):
    folder = tmp_path / "buckets" / "kept" / "a"
    folder.mkdir(parents=True)
    (folder / "trip.jar").write_bytes(jar())
    platform = start(*CLUSTER, "--code-buckets", tmp_path / "buckets")
    service = client(platform)
    create(service, config=program(place("a/trip.jar")))
    expected = told_of(jar()) | {"S3ApplicationCodeLocationDescription": place("a/trip.jar")}
    assert code(service) == ("ZIPFILE", expected)
    (folder / "trip.jar").write_bytes(jar("more"))
    assert code(service) == ("ZIPFILE", expected), "a version never changes"
    again = {"ApplicationCodeConfigurationUpdate": {"CodeContentUpdate": {"S3ContentLocationUpdate": {}}}}
    update(service, config=again)
    assert code(service)[1]["CodeMD5"] == told_of(jar("more"))["CodeMD5"], "what stands there now is fetched"
    for key, text in (("a/gone.jar", "a/gone.jar"), ("../../x", "is no key")):
        told = refusal(service.create_application, ApplicationName="b", RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
                       ApplicationConfiguration=program(place(key)))
        assert told[0] == "InvalidArgumentException" and text in told[1], told
    # A script takes the place of the program, as text.
    script = {"CodeContentTypeUpdate": "PLAINTEXT", "CodeContentUpdate": {"TextContentUpdate": "SELECT"}}
    told = refusal(service.update_application, ApplicationName="taxi", CurrentApplicationVersionId=2,
                   ApplicationConfigurationUpdate={"ApplicationCodeConfigurationUpdate": script})
    assert "application taxi runs on flink, and its state is there" in told[1], told


def test_code_comes_from_an_object_store_in_the_version_that_is_named(start, tmp_path):
    store = ObjectStore(tmp_path / "store.txt")
    try:
        store.client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        first, _ = (store.client.put_object(Bucket="kept", Key="a/trip.jar", Body=body)["VersionId"] for body in (jar(), jar("more")))
        service = client(start(*CLUSTER, "--code-buckets", "s3://", environment=store.environment))
        create(service, config=program(place("a/trip.jar")))
        create(service, "former", config=program(place("a/trip.jar", ObjectVersion=first)))
        assert code(service)[1]["CodeMD5"] == told_of(jar("more"))["CodeMD5"]
        expected = told_of(jar()) | {"S3ApplicationCodeLocationDescription": place("a/trip.jar", ObjectVersion=first)}
        assert code(service, "former") == ("ZIPFILE", expected)
        told = refusal(service.create_application, ApplicationName="b", RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
                       ApplicationConfiguration=program(place("gone.jar")))
        assert told[0] == "InvalidArgumentException" and "s3://kept/gone.jar" in told[1], told
    finally:
        store.close()


def test_scripts_are_what_they_were(start):
    platform = start()
    service = client(platform)
    create(service, config=configuration(sql="CREATE TABLE a (x INT) WITH ('connector' = 'blackhole'); INSERT INTO a VALUES (1)"))
    assert code(service)[0] == "PLAINTEXT" and kept(platform) == []


def test_the_command_line_sends_a_jar_and_makes_an_application_of_it(start, tmp_path):
    platform = start(*CLUSTER)
    (tmp_path / "trip.jar").write_bytes(jar())
    (tmp_path / "bad.jar").write_bytes(b"no jar")
    told = app(platform, "create", "mine", "--jar", tmp_path / "bad.jar", code=1)
    assert "the code is no jar" in told
    assert "--script" in app(platform, "create", "mine", code=2)
    app(platform, "create", "mine", "--jar", tmp_path / "trip.jar", "--property", "Input.stream.name=trips", "--parallelism", 2)
    shown = json.loads(app(platform, "describe", "mine", "--json"))
    assert shown["program"] == {"sha256": names_of(jar())[0], "bytes": len(jar()), "main_class": "trip.Main", "from": None}
    assert (shown["script"], shown["parallelism"], shown["properties"]) == ("", 2, {"Input": {"stream.name": "trips"}})
    assert f"program of {len(jar())} bytes" in app(platform, "describe", "mine")
    (tmp_path / "trip.jar").write_bytes(jar("more"))
    app(platform, "update", "mine", "--jar", tmp_path / "trip.jar")
    assert json.loads(app(platform, "describe", "mine", "--json"))["program"]["sha256"] == names_of(jar("more"))[0]


def send(platform, body, kind="application/java-archive", **headers):
    """The status and the answer of the console to the bytes of a jar."""
    console = platform.addresses["console"]
    request = urllib.request.Request(f"{console}/api/application/program", data=body, headers={"content-type": kind, "origin": console, **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_console_takes_jars_within_bounds_from_its_own_page(start):
    platform = start(*CLUSTER)
    status, answer = send(platform, jar())
    assert (status, answer["sha256"], answer["main_class"]) == (200, names_of(jar())[0], "trip.Main")
    assert send(platform, jar(), kind="text/plain")[0] == 400
    assert send(platform, jar(), origin="http://elsewhere")[0] in (400, 403)
    body = json.dumps({"name": "x", "program": "0" * 64, "parallelism": 1, "parallelism_per_kpu": 1}).encode()
    request = urllib.request.Request(platform.addresses["console"] + "/api/application/create", data=body,
                                     headers={"content-type": "application/json", "origin": platform.addresses["console"]})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 404 and b"send its jar first" in refused.value.read()


def test_a_jar_may_be_large_and_one_that_is_too_large_is_refused(start):
    platform = start(*CLUSTER)
    packed = io.BytesIO(jar())
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(zipfile.ZipInfo("data"), secrets.token_bytes(30 * 1024 * 1024))
    status, answer = send(platform, packed.getvalue())
    assert (status, answer.get("bytes")) == (200, len(packed.getvalue())), answer
    status, answer = send(platform, bytes(64 * 1024 * 1024 + 1))
    assert status == 413 and "larger than 67108864 bytes" in answer["error"]["message"], answer
