"""Credentials at the AWS door, asked by the official client."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import Platform

KEYS = """
[[key]]
id = "A"
secret = "a"
role = "admin"
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
