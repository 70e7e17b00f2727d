"""The AWS SDK for JavaScript against the real binary: HTTP/2 with prior knowledge, polling and a subscription through a split."""

import json
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent / "javascript"


def test_the_javascript_sdk_reads_what_it_wrote(start):
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True)
    platform = start()
    command = ["node", "kinesis.mjs", platform.addresses["aws"], "from-javascript"]
    result = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["polled"] == [f"record {n}" for n in range(100)]
    assert told["pushed"] == [f"record {n}" for n in range(150)]
    assert told["children"] == ["shardId-000000000001", "shardId-000000000002"]
    assert told["refusal"] == "InvalidArgumentException"
