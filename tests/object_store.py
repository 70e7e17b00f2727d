"""An object store that speaks S3, on a free port of this machine, and a wire to it that can be cut."""

import contextlib
import socket
import subprocess
import sys
import threading

import boto3

from hailstream import wait_for


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Wire:
    """Hands every connection on to a port of this machine; while it is cut, it hangs up."""

    def __init__(self, port):
        self.port, self.is_cut, self.open = port, False, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.port))
                self.open |= {client, server}
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    def _hand_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for end in (source, target):
            self.open.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self):
        self.is_cut = True
        for end in list(self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.is_cut = False

    def close(self):
        self.cut()
        self.listener.close()


class ObjectStore:
    """A store with one empty bucket, `kept`."""

    def __init__(self, log):
        port = free_port()
        self.log = open(log, "wb")
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: answers(port), "the object store")
        self.wire = Wire(port)
        self.environment = {"AWS_ENDPOINT_URL_S3": self.wire.address, "AWS_ACCESS_KEY_ID": "any",
                            "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
                                   aws_access_key_id="any", aws_secret_access_key="any")
        self.client.create_bucket(Bucket="kept")

    def names(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="kept")
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def close(self):
        self.wire.close()
        self.process.kill()
        self.process.wait()
        self.log.close()
