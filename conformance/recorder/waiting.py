"""What every run beside real systems needs: waiting for something to become so, and a free port."""

import socket
import time

WAIT_S = 180


def wait_for(condition, what, seconds=WAIT_S):
    """The first true answer of `condition`; ends the program where there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"waited {seconds} s in vain for {what}")


def free_port():
    """A port that is free on loopback now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
