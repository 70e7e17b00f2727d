"""Credentials at the AWS door, asked by the official client and by our own."""

import os
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import BINARY, Platform

KEYS = """
[[key]]
id = "A"
secret = "a"
role = "admin"
[[key]]
id = "P"
secret = "p"
role = "producer"
session-token = "t"
[[key]]
id = "V"
secret = "v"
role = "viewer"
"""


@pytest.fixture
def client(tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = Platform(tmp_path / "platform", "--credentials", keys)

    def made(key, secret, token=None):
        return boto3.client(
            "kinesis", endpoint_url=platform.addresses["aws"], region_name="eu-west-1", aws_access_key_id=key,
            aws_secret_access_key=secret, aws_session_token=token, config=Config(retries={"max_attempts": 0}))

    made.endpoint = platform.addresses["aws"]
    yield made
    assert platform.end() == 0


def test_only_signed_and_allowed_calls_pass(client):
    client("A", "a").create_stream(StreamName="x", ShardCount=1)
    assert client("V", "v").list_streams()["StreamNames"] == ["x"]
    for key, secret, token, expected in (
            ("A", "wrong", None, "InvalidSignatureException"),
            ("Z", "a", None, "UnrecognizedClientException"),
            ("A", "a", "token", "UnrecognizedClientException")):
        with pytest.raises(ClientError) as refused:
            client(key, secret, token).list_streams()
        assert refused.value.response["Error"]["Code"] == expected
    with pytest.raises(ClientError, match="user/V is not authorized to perform: kinesis:DeleteStream"):
        client("V", "v").delete_stream(StreamName="x")


def test_the_replay_signs_with_what_it_finds(client, tmp_path):
    admin = client("A", "a")
    admin.create_stream(StreamName="trips", ShardCount=1)
    admin.get_waiter("stream_exists").wait(StreamName="trips", WaiterConfig={"Delay": 1})
    profiles = tmp_path / "profiles"
    profiles.write_text("[p]\naws_access_key_id = P\naws_secret_access_key = p\naws_session_token = t\n")
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {"HOME": str(tmp_path)}

    def replay(*args, **variables):
        command = [BINARY, "replay", "--endpoint", client.endpoint, "--speedup", "max", "--count", "100", *args]
        return subprocess.run(command, env=bare | variables, capture_output=True, text=True)

    for args, variables in (
            ((), {"AWS_ACCESS_KEY_ID": "P", "AWS_SECRET_ACCESS_KEY": "p", "AWS_SESSION_TOKEN": "t"}),
            (("--profile", "p"), {"AWS_SHARED_CREDENTIALS_FILE": str(profiles), "AWS_DEFAULT_REGION": "eu-west-1"})):
        done = replay(*args, **variables)
        assert done.returncode == 0, done.stderr
    shard = admin.get_shard_iterator(StreamName="trips", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
    assert len(admin.get_records(ShardIterator=shard["ShardIterator"])["Records"]) == 200
    for args, variables, expected in (
            ((), {}, "MissingAuthenticationTokenException"),
            ((), {"AWS_ACCESS_KEY_ID": "P"}, "without AWS_SECRET_ACCESS_KEY"),
            ((), {"AWS_ACCESS_KEY_ID": "V", "AWS_SECRET_ACCESS_KEY": "v"}, "AccessDeniedException"),
            (("--profile", "q"), {"AWS_SHARED_CREDENTIALS_FILE": str(profiles)}, "the profile q does not stand in")):
        done = replay(*args, **variables)
        assert done.returncode == 1 and expected in done.stderr, done.stderr
