"""Finds the doors to test, or starts them.

HAILSTREAM_AWS_ENDPOINT is a running door without limits, HAILSTREAM_AWS_LIMITED_ENDPOINT one with limits. Where one of
them is not set, HAILSTREAM_DOOR is the program to start instead: the example `kinesis_door` of the crate `store`.
"""

import os
import signal
import subprocess
import tempfile
import uuid

import boto3
import pytest
from botocore.config import Config

from door import wait_active


def running_door(variable, *flags):
    """The address of a door, for as long as it is needed."""
    if os.environ.get(variable):
        yield os.environ[variable]
        return
    program = os.environ.get("HAILSTREAM_DOOR")
    if not program:
        pytest.fail(f"set {variable} to the address of a running door, or HAILSTREAM_DOOR to the program that opens one")
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([program, folder, "0", *flags], stdout=subprocess.PIPE, text=True)
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0


def client(address):
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("kinesis", endpoint_url=address, region_name="us-east-1", config=config, **keys)


def streams(kinesis):
    """Makes streams, and deletes them in the end."""
    names = []

    def make(shards=1, **more):
        name = f"t-{uuid.uuid4().hex[:12]}"
        if shards is not None:
            more["ShardCount"] = shards
        kinesis.create_stream(StreamName=name, **more)
        names.append(name)
        return wait_active(kinesis, name)["StreamName"]

    yield make
    for name in names:
        wait_active(kinesis, name)
        kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


@pytest.fixture(scope="session")
def endpoint():
    yield from running_door("HAILSTREAM_AWS_ENDPOINT")


@pytest.fixture(scope="session")
def kinesis(endpoint):
    return client(endpoint)


@pytest.fixture
def make_stream(kinesis):
    yield from streams(kinesis)


@pytest.fixture(scope="session")
def limited():
    for address in running_door("HAILSTREAM_AWS_LIMITED_ENDPOINT", "--limits"):
        yield client(address)


@pytest.fixture
def make_limited_stream(limited):
    yield from streams(limited)
