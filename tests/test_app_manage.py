"""`hailstream app` from making an application to removing it: what a person does who runs their own SQL."""

import json
import os
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError

from hailstream import BINARY, ROOT, wait_for
from test_analytics import client, refusal

TAXI = ROOT / "examples" / "taxi" / "taxi.sql"
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HAILSTREAM_"))}


@pytest.fixture
def platform(start):
    platform = start("--unlimited", "--kpus-max", "2")
    kinesis = platform.kinesis()
    kinesis.create_stream(StreamName="trips", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="trips", WaiterConfig={"Delay": 1})
    return platform


def app(platform, *arguments, code=0):
    command = [BINARY, "app", *map(str, arguments), "--console", platform.addresses["console"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=BARE)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def described(platform):
    return json.loads(app(platform, "describe", "mine", "--json"))


def test_an_application_is_made_changed_taken_back_and_removed(platform, tmp_path):
    script = tmp_path / "mine.sql"
    script.write_text(TAXI.read_text().replace("'stream' = 'trips'", "'stream' = '${input}'"))
    told = app(platform, "create", "mine", "--script", script, code=1)
    assert "line 16, column 15: ${input} is no property" in told
    made = json.loads(app(platform, "create", "mine", "--script", script, "--property", "input=trips", "--start", "--json"))
    assert (made["state"], made["parallelism"]) == ("running", 1)
    assert "exists already" in app(platform, "create", "mine", "--script", script, "--property", "input=trips", code=4)
    assert "pickup_count" in app(platform, "explain", "mine")

    assert app(platform, "update", "mine", "--parallelism", 4, "--parallelism-per-kpu", 2) == \
        "Application mine is updated: it is version 2 now.\n"
    shown = described(platform)
    assert (shown["status"], shown["kpus"], shown["current_parallelism"], shown["version"]) == ("RUNNING", 2, 4, 2)
    assert "quota of 2" in app(platform, "update", "mine", "--parallelism", 5, code=1)
    assert "say what is to change" in app(platform, "update", "mine", code=1)

    script.write_text(script.read_text().replace("HAVING COUNT(*) > 1", "HAVING COUNT(*) > 3"))
    app(platform, "update", "mine", "--script", script)
    assert "> 3" in described(platform)["script"]
    assert "is rolled back: it is version 4 now" in app(platform, "rollback", "mine")
    assert "> 1" in described(platform)["script"]
    assert "cannot be rolled back" in app(platform, "rollback", "mine", code=4)

    text = app(platform, "describe", "mine")
    assert "mine is RUNNING, version 4" in text and "property FlinkApplicationProperties.input = trips" in text
    kinds = [json.loads(line)["kind"] for line in app(platform, "operations", "mine", "--json").splitlines()]
    assert kinds == ["StartApplication", "UpdateApplication", "UpdateApplication", "RollbackApplication"]
    lines = app(platform, "logs", "mine").splitlines()
    assert "it is created" in lines[0] and any("version 3 is taken back" in line for line in lines)
    assert len(app(platform, "logs", "mine", "--lines", 2).splitlines()) == 2

    assert "is RUNNING; stop it first" in app(platform, "delete", "mine", code=4)
    app(platform, "stop", "mine")
    assert app(platform, "delete", "mine") == "Application mine is deleted.\n"
    assert "no application \"mine\"" in app(platform, "describe", "mine", code=3)


def test_lines_are_followed(platform):
    app(platform, "create", "mine", "--script", TAXI)
    command = [BINARY, "app", "logs", "mine", "--follow", "--console", platform.addresses["console"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=BARE) as following:
        assert "it is created" in following.stdout.readline()
        app(platform, "start", "mine")
        assert "it runs, with parallelism 1" in following.stdout.readline()
        following.terminate()


def test_what_keys_allow(start, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text("".join(f'[[key]]\nid = "{role[0]}"\nsecret = "s"\nrole = "{role}"\n' for role in ("operator", "viewer")))
    keys.chmod(0o600)
    platform = start("--credentials", keys)

    def of(key):
        return boto3.client("kinesisanalyticsv2", endpoint_url=platform.addresses["aws"], region_name="us-east-1",
                            aws_access_key_id=key, aws_secret_access_key="s")

    assert of("v").list_applications()["ApplicationSummaries"] == []
    assert refusal(of("v").start_application, ApplicationName="taxi")[0] == "AccessDeniedException"
    assert refusal(of("o").start_application, ApplicationName="taxi")[0] == "ResourceNotFoundException"
    with pytest.raises(ClientError) as stranger:
        client(platform).list_applications()
    assert stranger.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_the_catalogue_is_read_beside_the_platform_and_after_it(platform):
    app(platform, "create", "mine", "--script", TAXI, "--parallelism", 2)

    def listed():
        done = subprocess.run([BINARY, "app", "list", "--json", "--data-dir", str(platform.data_dir / "data")],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    expected = [{"name": "mine", "parallelism": 2, "kpus": 2}]
    assert listed() == expected
    second = subprocess.run([BINARY, "serve", "--data-dir", str(platform.data_dir / "data"), "--aws-port", "0", "--search-port", "0",
                             "--console-port", "0"], capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "hailstream:" in second.stderr
    assert platform.end() == 0
    assert wait_for(listed, "the list") == expected
