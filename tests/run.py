#!/usr/bin/env python3
"""Runs every test that needs the real binary: the doors' own tests against two running platforms, then the end-to-end ones."""

import os
import pathlib
import subprocess
import sys
import tempfile

from hailstream import ROOT, Platform

# Tests of a door, kept beside its crate, with the variables that name the doors to test.
DOORS = ("store/tests/boto3", "index/tests/python")


def pytest(folder, environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode


def main():
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        unlimited, limited = Platform(scratch / "unlimited", "--unlimited"), Platform(scratch / "limited")
        try:
            environment = {
                "HAILSTREAM_AWS_ENDPOINT": unlimited.addresses["aws"],
                "HAILSTREAM_AWS_LIMITED_ENDPOINT": limited.addresses["aws"],
                "HAILSTREAM_SEARCH_ENDPOINT": unlimited.addresses["search"],
            }
            failed += [folder for folder in DOORS if pytest(folder, environment)]
        finally:
            failed += [platform.log_text() for platform in (unlimited, limited) if platform.end() != 0]
    failed += [folder for folder in ("tests",) if pytest(folder, {})]
    sys.exit("failed: " + ", ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
