"""Platforms for tests: started on demand, gone when the test ends."""

import signal

import pytest

from hailstream import Platform


@pytest.fixture
def start(tmp_path):
    """Starts platforms; ends those that still run when the test is over."""
    started = []

    def _start(*args, name="platform", **kwargs):
        started.append(Platform(tmp_path / name, *args, **kwargs))
        return started[-1]

    yield _start
    for platform in started:
        if platform.process.poll() is None:
            platform.end(signal.SIGKILL)
