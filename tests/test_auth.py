"""Credentials at the doors, asked by the official clients and by our own."""

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from hailstream import BINARY, Platform, wait_for

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
id = "E"
secret = "e"
role = "admin"
expires = 2026-01-01T00:00:00Z
[[key]]
id = "V"
secret = "v"
role = "viewer"
[[key]]
id = "W"
secret = "w"
role = "viewer"
user = "V"
"""


@pytest.fixture
def client(tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = Platform(tmp_path / "platform", "--unlimited", "--credentials", keys)

    def made(key, secret, token=None):
        return boto3.client(
            "kinesis", endpoint_url=platform.addresses["aws"], region_name="eu-west-1", aws_access_key_id=key,
            aws_secret_access_key=secret, aws_session_token=token, config=Config(retries={"max_attempts": 0}))

    made.endpoint, made.addresses, made.keys = platform.addresses["aws"], platform.addresses, keys
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


def cli(client, *args, **variables):
    """Runs the AWS CLI against the door."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "awscli", "kinesis", *args, "--endpoint-url", client.endpoint,
               "--region", "eu-west-1", "--output", "json"]
    return subprocess.run(command, env=bare | variables, capture_output=True, text=True)


def test_the_command_line_of_aws_is_told_the_same(client):
    admin = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "a"}
    assert cli(client, "create-stream", "--stream-name", "x", "--shard-count", "1", **admin).returncode == 0
    listed = cli(client, "list-streams", **admin)
    assert json.loads(listed.stdout)["StreamNames"] == ["x"], listed.stderr
    for variables, expected in (
            (admin | {"AWS_SECRET_ACCESS_KEY": "b"}, "(InvalidSignatureException)"),
            (admin | {"AWS_ACCESS_KEY_ID": "Z"}, "(UnrecognizedClientException)"),
            (admin | {"AWS_SESSION_TOKEN": "t"}, "(UnrecognizedClientException)"),
            ({"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e"}, "(ExpiredTokenException)")):
        refused = cli(client, "list-streams", **variables)
        assert refused.returncode != 0 and expected in refused.stderr, refused.stderr
    unsigned = cli(client, "list-streams", "--no-sign-request")
    assert "Missing Authentication Token" in unsigned.stderr


def test_keys_change_while_clients_go_on(client):
    old = client("A", "a")
    old.create_stream(StreamName="x", ShardCount=1)
    client.keys.write_text(KEYS.replace('"a"', '"b"'))

    def refused():
        try:
            old.list_streams()
        except ClientError as error:
            return error.response["Error"]["Code"] == "InvalidSignatureException"

    wait_for(refused, "the old secret to be refused", 30)
    assert client("A", "b").list_streams()["StreamNames"] == ["x"]
    # A file that is broken for a while changes nothing.
    client.keys.write_text("[[key")
    assert client("A", "b").list_streams()["StreamNames"] == ["x"]


def test_the_other_doors_ask_for_the_same_keys(client):
    def search(pair, **more):
        return Elasticsearch([client.addresses["search"]], http_auth=pair, **more)

    admin, viewer = search(("A", "a")), search(("V", "v"))
    admin.index("trips", {"n": 1}, refresh=True)
    assert viewer.count(index="trips")["count"] == 1
    assert viewer.search(index="trips")["hits"]["total"]["value"] == 1
    with pytest.raises(AuthorizationException):
        viewer.index("trips", {"n": 2})
    for pair in (("V", "w"), ("E", "e"), ("P", "p"), None):
        with pytest.raises(AuthenticationException):
            search(pair).info()

    def console(path, pair=None, **more):
        request = urllib.request.Request(client.addresses["console"] + path, **more)
        if pair:
            request.add_header("authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        try:
            return urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    assert [console("/health"), console("/"), console("/metrics"), console("/", "V:v")] == [200, 401, 401, 200]
    headers = {"content-type": "application/json", "origin": client.addresses["console"]}
    assert console("/api/replay/stop", "V:v", data=b"{}", headers=headers) == 403


def test_keys_are_made_listed_and_checked(client, tmp_path):
    def credentials(*args):
        return subprocess.run([BINARY, "credentials", *args], capture_output=True, text=True)

    file = ("--credentials", str(client.keys))
    made = json.loads(credentials("new", *file, "--role", "operator", "--expires-in", "1", "--json").stdout)
    fresh = client(made["id"], made["secret"])

    def taken():
        try:
            return fresh.list_streams()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "UnrecognizedClientException"

    wait_for(taken, "the new key to be taken", 30)
    listed = credentials("list", *file)
    assert made["id"] in listed.stdout and made["secret"] not in listed.stdout
    states = {line.split()[0]: line.split()[2] for line in listed.stdout.splitlines()[1:]}
    assert states["E"] == "ended" and states[made["id"]] == "enabled"
    assert "6 keys, 5 of them enabled" in credentials("check", *file).stdout
    again = credentials("new", *file, "--role", "viewer", "--id", "A")
    assert again.returncode == 1 and "there is a key A already" in again.stderr
    first = credentials("new", "--credentials", str(tmp_path / "first.toml"), "--role", "admin")
    assert first.stdout.startswith("AWS_ACCESS_KEY_ID=HS") and (tmp_path / "first.toml").stat().st_mode & 0o777 == 0o600


def test_other_machines_are_let_in_by_those_who_say_who_they_are(tmp_path, start):
    refused = subprocess.run([BINARY, "serve", "--bind", "0.0.0.0", "--data-dir", str(tmp_path / "x")],
                             capture_output=True, text=True)
    assert refused.returncode == 1 and "give --credentials FILE too" in refused.stderr
    assert not (tmp_path / "x").exists()
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = start("--bind", "0.0.0.0", "--credentials", keys, "--console-host", "wall.example")
    console = platform.addresses["console"].replace("0.0.0.0", "127.0.0.1")
    assert console.startswith("https://") and platform.addresses["aws"].startswith("http://")
    trusting = ssl.create_default_context(cafile=platform.data_dir / "data" / "tls" / "cert.pem")
    assert urllib.request.urlopen(console + "/health", context=trusting, timeout=30).status == 200
    for host, status in (("wall.example", 200), ("other.example", 400)):
        named = urllib.request.Request(console + "/health", headers={"host": host})
        try:
            assert urllib.request.urlopen(named, context=trusting, timeout=30).status == status
        except urllib.error.HTTPError as error:
            assert error.code == status
    with pytest.raises(OSError):
        urllib.request.urlopen(console.replace("https", "http") + "/health", timeout=30)


def test_a_policy_shares_a_stream_and_takes_back(client):
    admin, viewer = client("A", "a"), client("V", "v")
    admin.create_stream(StreamName="x", ShardCount=1)
    admin.get_waiter("stream_exists").wait(StreamName="x", WaiterConfig={"Delay": 1})
    arn = admin.describe_stream_summary(StreamName="x")["StreamDescriptionSummary"]["StreamARN"]

    def policy(effect, action):
        statement = {"Effect": effect, "Principal": {"AWS": "arn:aws:iam::000000000000:user/V"}, "Action": action,
                     "Resource": arn}
        admin.put_resource_policy(ResourceARN=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    def refusal(call, **members):
        with pytest.raises(ClientError) as refused:
            call(**members)
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        return refused.value.response["Error"]["Message"]

    record = {"StreamName": "x", "Data": b"d", "PartitionKey": "k"}
    user = f"User: arn:aws:iam::000000000000:user/V is not authorized to perform: kinesis:PutRecord on resource: {arn}"
    unallowed = f"{user} because no identity-based policy allows the kinesis:PutRecord action"
    assert refusal(viewer.put_record, **record) == unallowed
    policy("Allow", "kinesis:PutRecord")
    assert viewer.put_record(**record)["ShardId"] == "shardId-000000000000"
    # Another key of the same user needs no other policy.
    assert client("W", "w").put_record(**record)["ShardId"] == "shardId-000000000000"
    policy("Deny", "kinesis:*")
    assert refusal(viewer.put_record, **record) == f"{user} with an explicit deny in a resource-based policy"
    refusal(viewer.describe_stream_summary, StreamName="x")
    admin.put_record(**record)
    admin.delete_resource_policy(ResourceARN=arn)
    assert refusal(viewer.put_record, **record) == unallowed


def test_a_request_may_be_presigned_and_ends(client):
    def presigned(secret, expires):
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Kinesis_20131202.ListStreams"}
        request = AWSRequest("POST", client.endpoint + "/", headers)
        SigV4QueryAuth(Credentials("A", secret), "kinesis", "eu-west-1", expires=expires).add_auth(request)
        return urllib.request.Request(request.url, b"", dict(request.headers), method="POST")

    def refusal(request):
        try:
            urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            return json.load(error)

    lasting = presigned("a", 3600)
    assert refusal(lasting) is None
    lasting.data = b"{}"
    assert refusal(lasting)["__type"] == "InvalidSignatureException"
    assert refusal(presigned("b", 3600))["__type"] == "InvalidSignatureException"
    short = presigned("a", 1)
    ended = wait_for(lambda: refusal(short), "the request to end", 30)
    assert ended["__type"] == "InvalidSignatureException" and ended["message"].startswith("Signature expired: ")


def test_a_body_that_breaks_off_is_refused(client):
    host, port = client.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nauthorization: AWS4-HMAC-SHA256 Credential=A\r\n"
                           b"content-length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"SerializationException" in answer, answer
    # The door goes on.
    assert client("A", "a").list_streams()["StreamNames"] == []
