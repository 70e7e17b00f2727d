"""TLS and plain text on the same ports, asked by the official clients."""

import ssl
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from elasticsearch import Elasticsearch

from hailstream import Platform


def kinesis(platform, verify):
    return boto3.client(
        "kinesis", endpoint_url=platform.addresses["aws"].replace("http:", "https:"), region_name="us-east-1", verify=verify,
        aws_access_key_id="test", aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))


def test_official_clients_are_served_over_tls_and_in_plain_text(tmp_path):
    platform = Platform(tmp_path)
    certificate = tmp_path / "data" / "tls" / "cert.pem"
    kinesis(platform, str(certificate)).create_stream(StreamName="secret", ShardCount=1)
    assert platform.kinesis().list_streams()["StreamNames"] == ["secret"]
    with pytest.raises(SSLError):
        kinesis(platform, True).list_streams()
    search = platform.addresses["search"].replace("http:", "https:")
    assert Elasticsearch([search], ca_certs=str(certificate)).info()["tagline"]
    assert platform.search().info()["tagline"]
    console = platform.addresses["console"].replace("http:", "https:")
    trust = ssl.create_default_context(cafile=certificate)
    assert urllib.request.urlopen(console + "/health", timeout=30, context=trust).status == 200
    assert platform.end() == 0
    again = Platform(tmp_path)
    assert kinesis(again, str(certificate)).list_streams()["StreamNames"] == ["secret"], "the certificate has stayed"
    assert again.end() == 0


def test_where_tls_is_required_plain_text_is_hung_up_on(tmp_path):
    platform = Platform(tmp_path, "--tls", "required")
    assert platform.addresses["aws"].startswith("https:")
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(platform.addresses["console"].replace("https:", "http:") + "/health", timeout=30)
    assert kinesis(platform, str(tmp_path / "data" / "tls" / "cert.pem")).list_streams()["StreamNames"] == []
    assert platform.end() == 0
