"""Who may do what: roles at every operation, networks and proxies, the audit log, and attacks on the console's door."""

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from hailstream import BINARY, wait_for

ROLES = ("admin", "operator", "producer", "analyst", "viewer")


@pytest.fixture
def keys(tmp_path):
    """A file with a key of each role, whose id is the role and whose secret begins like it."""
    path = tmp_path / "keys.toml"
    path.write_text("".join(f'[[key]]\nid = "{role}"\nsecret = "{role}-secret"\nrole = "{role}"\n' for role in ROLES))
    path.chmod(0o600)
    return path


def ask(url, role=None, body=None, method=None, headers=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    if role:
        pair = base64.b64encode(f"{role}:{role}-secret".encode()).decode()
        request.add_header("authorization", f"Basic {pair}")
    opener = urllib.request.build_opener(NoRedirects)
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode()


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def order(platform, path, role=None, body=b"{}", **headers):
    headers = {"content-type": "application/json", "origin": platform.addresses["console"], **headers}
    return ask(platform.addresses["console"] + path, role, body, headers=headers)


def signed(platform, role, target, service):
    """The name of the error of a call without members, or None."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    request = AWSRequest("POST", platform.addresses["aws"] + "/", headers, b"{}")
    SigV4Auth(Credentials(role, f"{role}-secret"), service, "us-east-1").add_auth(request)
    status, _, answer = ask(request.url, body=b"{}", headers=dict(request.headers), method="POST")
    return None if status == 200 else json.loads(answer)["__type"]


def allowed(operation):
    """The roles that may call an operation, by the words that its name begins with."""
    if operation in ("PutRecord", "PutRecords", "PutMetricData"):
        return {"admin", "operator", "producer"}
    if operation in ("GetRecords", "GetShardIterator", "SubscribeToShard", "RegisterStreamConsumer", "DiscoverInputSchema",
                     "DeregisterStreamConsumer"):
        return {"admin", "operator", "analyst"}
    if operation in ("PutResourcePolicy", "DeleteResourcePolicy", "UpdateAccountSettings"):
        return {"admin"}
    if re.match("Describe|List|Get", operation):
        return set(ROLES)
    return {"admin", "operator"}


def test_each_role_at_each_operation_of_each_service(start, keys):
    platform = start("--unlimited", "--limits-speedup", "86400", "--credentials", keys)
    session = botocore.session.get_session()
    checked = 0
    for name in ("kinesis", "kinesisanalyticsv2", "cloudwatch", "application-autoscaling"):
        model = session.get_service_model(name)
        prefix = model.metadata.get("targetPrefix")
        for operation in model.operation_names:
            for role in ROLES:
                error = signed(platform, role, f"{prefix}.{operation}", model.signing_name)
                assert error not in ("InvalidSignatureException", "UnrecognizedClientException"), operation
                if error in ("UnknownOperationException", "LimitExceededException"):
                    continue
                denied = error == "AccessDeniedException"
                assert denied == (role not in allowed(operation)), f"{role} {operation}: {error}"
                checked += 1
    assert checked >= 150, "hardly anything was checked"
    # A signature for one service is none for another.
    assert signed(platform, "admin", "Kinesis_20131202.ListStreams", "monitoring") == "InvalidSignatureException"


def test_each_role_at_the_search_door(start, keys):
    platform = start("--credentials", keys)
    json_kind = {"content-type": "application/json"}
    lines = {"content-type": "application/x-ndjson"}
    bulk = b'{"index":{"_id":"1"}}\n{"n":1}\n'
    rules = (
        ("PUT", "/x", b"{}", json_kind, {"admin", "operator"}),
        ("PUT", "/x/_mapping", b'{"properties":{"n":{"type":"long"}}}', json_kind, {"admin", "operator"}),
        ("POST", "/x/_bulk", bulk, lines, {"admin", "operator", "producer"}),
        ("PUT", "/x/_doc/2", b'{"n":2}', json_kind, {"admin", "operator", "producer"}),
        ("POST", "/x/_update/2", b'{"doc":{"n":3}}', json_kind, {"admin", "operator", "producer"}),
        ("POST", "/x/_refresh", None, {}, {"admin", "operator", "producer"}),
        ("GET", "/x/_refresh", None, {}, {"admin", "operator", "producer"}),
        ("POST", "/x/_search", b"{}", json_kind, set(ROLES)),
        ("GET", "/x/_count", None, {}, set(ROLES)),
        ("GET", "/x/_doc/2", None, {}, set(ROLES)),
        ("GET", "/_cat/indices", None, {}, set(ROLES)),
        ("DELETE", "/x/_doc/2", None, {}, {"admin", "operator", "producer"}),
        ("DELETE", "/x", None, {}, {"admin", "operator"}),
    )
    for method, path, body, headers, roles in rules:
        # Who may not is asked first, since who may changes what is there.
        for role in sorted(ROLES, key=lambda role: role in roles):
            status, _, answer = ask(platform.addresses["search"] + path, role, body, method, headers)
            assert (status == 403) == (role not in roles), f"{role} {method} {path}: {status} {answer}"
            assert status not in (401, 500), f"{role} {method} {path}: {status} {answer}"


def login(platform, role, secret=None):
    form = urllib.parse.urlencode({"key": role, "secret": secret or f"{role}-secret"}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": platform.addresses["console"]}
    return ask(platform.addresses["console"] + "/login", body=form, headers=headers)


def test_a_session_of_a_person(start, keys):
    platform = start("--credentials", keys)
    console = platform.addresses["console"]
    status, headers, _ = ask(console + "/", headers={"accept": "text/html"})
    assert (status, headers["location"]) == (303, "/login")
    status, headers, page = ask(console + "/login")
    assert status == 200 and "<script" not in page
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';") and "frame-ancestors 'none'" in policy and "script" not in policy
    for asset in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page):
        assert ask(console + asset)[0] == 200, asset
    assert login(platform, "viewer", "wrong")[0] == 401
    status, headers, _ = login(platform, "operator")
    cookie = headers["set-cookie"].split(";")[0]
    assert status == 303 and "HttpOnly; SameSite=Strict" in headers["set-cookie"] and "Secure" not in headers["set-cookie"]
    session = json.loads(ask(console + "/api/session", headers={"cookie": cookie})[2])
    assert (session["key"], session["role"], session["rights"]) == ("operator", "operator", ["look", "read", "register", "write", "control"])
    assert order(platform, "/api/application/start", cookie=cookie)[0] == 403
    status, _, answer = order(platform, "/api/application/start", cookie=cookie, **{"x-csrf-token": session["csrf"]})
    assert status == 404 and "there is no application" in answer, answer
    # The token is no help to another site, nor without a name of the console.
    for origin in ("http://elsewhere.example", "null"):
        assert order(platform, "/api/application/start", cookie=cookie, origin=origin, **{"x-csrf-token": session["csrf"]})[0] == 400
    assert ask(console + "/login", body=b"key=operator&secret=operator-secret",
               headers={"content-type": "application/x-www-form-urlencoded", "origin": "http://elsewhere.example"})[0] == 400
    # Over TLS the cookie is for TLS alone.
    certificate = platform.data_dir / "data" / "tls" / "cert.pem"
    secure = http.client.HTTPSConnection(console.split("//")[1], context=ssl.create_default_context(cafile=certificate), timeout=30)
    secure.request("POST", "/login", "key=viewer&secret=viewer-secret", {
        "content-type": "application/x-www-form-urlencoded", "origin": console.replace("http:", "https:")})
    assert secure.getresponse().headers["set-cookie"].endswith("; Secure")


def test_guessing_is_slowed_down_for_people_and_programs_alike(start, keys):
    platform = start("--credentials", keys)
    for _ in range(5):
        assert login(platform, "viewer", "guess")[0] == 401
    guess = {"authorization": "Basic " + base64.b64encode(b"viewer:guess").decode()}
    for door in ("console", "search"):
        path = "/api/pipeline" if door == "console" else "/"
        for _ in range(3):
            last = ask(platform.addresses[door] + path, headers=guess)
    assert last[0] == 429 and 1 <= int(last[1]["retry-after"]) <= 30, last
    assert login(platform, "viewer")[0] == 429
    assert login(platform, "operator")[0] == 303


def test_networks_read_and_write_apart_and_only_named_proxies_are_believed(start, keys):
    platform = start("--credentials", keys, "--allow", "console:read=127.0.0.1,192.0.2.0/24", "--allow", "console:write=192.0.2.7",
                     "--allow", "search=192.0.2.0/24,2001:db8::/32", "--trusted-proxy", "127.0.0.1")
    console, search = platform.addresses["console"], platform.addresses["search"]

    def via(address, header="x-forwarded-for"):
        return {header: address}

    assert ask(console + "/health")[0] == 200
    assert ask(console + "/health", headers=via("192.0.2.9"))[0] == 200
    status, _, answer = ask(console + "/health", headers=via("198.51.100.1"))
    assert status == 403 and "does not hold that address" in answer
    assert ask(console + "/health", headers=via("192.0.2.9, 198.51.100.1"))[0] == 403, "the right-most counts"
    assert ask(console + "/health", headers=via("for=192.0.2.9", "forwarded"))[0] == 200
    assert ask(console + "/health", headers={**via("192.0.2.9"), **via("for=192.0.2.8", "forwarded")})[0] == 400
    assert ask(console + "/health", headers=via("garbage"))[0] == 400
    status, _, answer = order(platform, "/api/application/start", "operator", **via("192.0.2.9"))
    assert status == 403 and "that changes something" in answer, answer
    assert order(platform, "/api/application/start", "operator", **via("192.0.2.7"))[0] == 404
    assert ask(search + "/", "viewer")[0] == 403, "the proxy itself is not on that list"
    assert ask(search + "/", "viewer", headers=via("[2001:db8::1]:443"))[0] == 200
    assert platform.kinesis().meta.endpoint_url and ask(platform.addresses["aws"] + "/")[0] == 400, "a door without a list"
    for wrong in ("console=10.0.0.1/8", "web=::1", "console"):
        refused = subprocess.run([BINARY, "serve", "--allow", wrong, "--data-dir", "never"], capture_output=True, text=True)
        assert refused.returncode == 1 and refused.stderr.startswith(f"hailstream: --allow {wrong}: "), refused.stderr


def audit(*args):
    return subprocess.run([BINARY, "audit", *map(str, args)], capture_output=True, text=True)


def test_control_actions_are_written_down_and_a_changed_line_is_found(start, keys, tmp_path):
    platform = start("--unlimited", "--credentials", keys)
    data = platform.data_dir / "data"

    def kinesis(role):
        return boto3.client("kinesis", endpoint_url=platform.addresses["aws"], region_name="us-east-1", aws_access_key_id=role,
                            aws_secret_access_key=f"{role}-secret", config=Config(retries={"max_attempts": 0}))

    kinesis("operator").create_stream(StreamName="x", ShardCount=1)
    kinesis("operator").get_waiter("stream_exists").wait(StreamName="x", WaiterConfig={"Delay": 1})
    kinesis("producer").put_record(StreamName="x", Data=b"kept out of the log", PartitionKey="k")
    with pytest.raises(Exception, match="AccessDenied"):
        kinesis("viewer").delete_stream(StreamName="x")
    assert ask(platform.addresses["search"] + "/i", "admin", b"{}", "PUT", {"content-type": "application/json"})[0] == 200
    assert ask(platform.addresses["search"] + "/i/_doc/1", "admin", b'{"n":1}', "PUT", {"content-type": "application/json"})[0] == 201
    assert login(platform, "admin", "not-the-secret")[0] == 401
    order(platform, "/api/application/start", "operator", b'{"application":"taxi"}')
    status, _, body = ask(platform.addresses["console"] + "/api/audit", "admin")
    assert status == 200 and ask(platform.addresses["console"] + "/api/audit", "operator")[0] == 403
    page = json.loads(body)
    told = [(e["event"], e["door"], e["operation"], e["subject"], e["key"], e["status"], e["note"]) for e in reversed(page["entries"])]
    assert told == [
        ("opened", None, None, None, None, None, None),
        ("begun", "aws", "CreateStream", "x", "operator", None, None),
        ("ended", "aws", "CreateStream", "x", "operator", 200, None),
        ("begun", "aws", "DeleteStream", "x", "viewer", None, None),
        ("ended", "aws", "DeleteStream", "x", "viewer", 400, "AccessDeniedException"),
        ("begun", "search", "PUT /{index}", "i", "admin", None, None),
        ("ended", "search", "PUT /{index}", "i", "admin", 200, None),
        ("login-refused", "console", None, None, None, None, "key admin"),
        ("begun", "console", "POST /api/application/start", "application=taxi", "operator", None, None),
        ("ended", "console", "POST /api/application/start", "application=taxi", "operator", 404, "NotFound"),
        # Who looks into the log stands in it.
        ("begun", "console", "GET /api/audit", None, "admin", None, None),
    ]
    assert {entry["address"] for entry in page["entries"][:-1]} == {"127.0.0.1"}
    log = data / "audit" / "00000001.jsonl"
    text = log.read_text()
    assert "secret" not in text and "kept out" not in text and log.stat().st_mode & 0o777 == 0o600
    # While it runs, and after a kill, the chain is whole.
    verified = audit("verify", "--data-dir", data)
    assert verified.returncode == 0 and "the log is whole: entries 1 to" in verified.stdout, verified.stderr
    head = re.search(r"head (\d+:[0-9a-f]{64})", verified.stdout).group(1)
    platform.process.kill()
    platform.process.wait()
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"number":')
    again = start("--credentials", keys)
    assert [line.split()[2] for line in audit("show", "--data-dir", data).stdout.splitlines()[-2:]] == ["repaired", "opened"]
    assert audit("verify", "--data-dir", data, "--holds", head).returncode == 0
    assert again.end() == 0
    lines = log.read_bytes().split(b"\n")
    log.write_bytes(b"\n".join([*lines[:2], lines[2].replace(b"operator", b"somebody"), *lines[3:]]))
    broken = audit("verify", "--data-dir", data)
    assert broken.returncode == 1 and "00000001.jsonl, line 4: the line before it is not the one" in broken.stderr, broken.stderr
    log.write_bytes(b"\n".join(lines[:3]) + b"\n")
    cut = audit("verify", "--data-dir", data, "--holds", head)
    assert cut.returncode == 1 and "the log does not hold" in cut.stderr, cut.stderr
    assert audit("verify", "--data-dir", tmp_path).returncode == 1


def test_without_credentials_control_actions_are_written_down_by_their_address(start):
    platform = start()
    assert platform.console("/api/session")["asked"] is False
    platform.kinesis().create_stream(StreamName="x", ShardCount=1)
    newest = platform.console("/api/audit?n=3")["entries"]
    told = [(entry["operation"], entry["key"], entry["address"]) for entry in newest[1:]]
    assert told == [("CreateStream", None, "127.0.0.1")] * 2
    assert json.loads(audit("show", "--json", "-n", 1, "--data-dir", platform.data_dir / "data").stdout)["event"] == "ended"


def resident(platform):
    """Memory of the platform, in MiB."""
    for line in open(f"/proc/{platform.process.pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


HEADERS, RESET, SETTINGS, CONTINUATION = 1, 3, 4, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def literal(text, index=None, kept=False):
    """A header in HPACK, without a table: its name by index or as text, its value as text; kept in the client's table or not."""
    def string(data):
        # Lengths from 127 on go on in the next bytes.
        if len(data) < 127:
            return bytes((len(data),)) + data
        rest, out = len(data) - 127, bytearray((127,))
        while rest >= 128:
            out.append(rest % 128 + 128)
            rest //= 128
        return bytes(out) + bytes((rest,)) + data

    name, value = text
    first = 0x40 if kept else 0x00
    return (bytes((first | index,)) if index else bytes((first,)) + string(name)) + string(value)


def fetched(path, host):
    """The headers of GET."""
    return b"\x82\x86" + literal((b":path", path), index=4) + literal((b":authority", host), index=1)


def test_attacks_on_the_console_cost_little_and_stop_nobody(start, keys):
    platform = start("--credentials", keys)
    host, port = platform.addresses["console"].split("//")[1].split(":")
    address = (host, int(port))
    cookie = login(platform, "operator")[1]["set-cookie"].split(";")[0]
    session = json.loads(ask(platform.addresses["console"] + "/api/session", headers={"cookie": cookie})[2])
    trusted = {"cookie": cookie, "x-csrf-token": session["csrf"]}

    def connections(n, first):
        """So many connections that send this and no more."""
        held = []
        for _ in range(n):
            try:
                connection = socket.create_connection(address, timeout=5)
                connection.sendall(first)
                held.append(connection)
            except OSError:
                break
        return held

    def post(body, **headers):
        return order(platform, "/api/replay/speed", body=body, **trusted, **headers)[0]

    def closed(connection):
        connection.settimeout(1)
        try:
            while True:
                answer = connection.recv(4096)
                if not answer:
                    return b""
                if b"HTTP/1.1 " in answer:
                    return answer
        except socket.timeout:
            return None
        except OSError:
            return b""

    head = f"POST /api/replay/speed HTTP/1.1\r\nhost: {host}:{port}\r\norigin: http://{host}:{port}\r\n".encode()
    before = resident(platform)
    rises = {}

    def attack(name, attacked):
        held = attacked()
        rises[name] = resident(platform) - before
        # Others are answered while it lasts.
        assert ask(platform.addresses["console"] + "/health")[0] == 200, name
        assert rises[name] < 64, rises
        for connection in held or []:
            connection.close()

    attack("half a head", lambda: connections(200, head + b"x: " + b"y" * 30_000))
    attack("half a body", lambda: connections(200, head + b"content-type: application/json\r\ncontent-length: 16000\r\n\r\n" + b"[" * 8_000))
    attack("a body that lies", lambda: connections(200, head + b"content-length: 99999999999\r\n\r\n" + b"[" * 20_000))
    attack("chunks without an end", lambda: connections(200, head + b"transfer-encoding: chunked\r\n\r\n4000\r\n" + b"[" * 16_000))
    attack("pages that nobody reads", lambda: connections(200, f"GET /login HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode() * 50))
    script = re.search(r'src="(/assets/maplibre[^"]*|/assets/index[^"]*\.js)"', ask(platform.addresses["console"] + "/", headers={"cookie": cookie})[2])
    fetch = f"GET {script.group(1)} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode()
    attack("files that nobody reads", lambda: connections(200, fetch * 20))

    at = f"{host}:{port}".encode()
    started = PREFACE + frame(SETTINGS, 0, 0)
    # What is sent is HTTP/2 that the door understands: one such request is answered.
    with connections(1, started + frame(HEADERS, END_STREAM | END_HEADERS, 1, fetched(b"/health", at)))[0] as connection:
        stream = connection.makefile("rb")
        kinds = []
        while HEADERS not in kinds:
            length, kind = int.from_bytes(stream.read(3), "big"), stream.read(1)[0]
            body = stream.read(5 + length)
            kinds.append(kind)
        assert body[5] == 0x88, "status 200"
    streams = range(1, 2 * 60, 2)
    resets = b"".join(frame(HEADERS, END_STREAM | END_HEADERS, n, fetched(b"/login", at)) + frame(RESET, 0, n, bytes(4)) for n in range(1, 4_000, 2))
    attack("resets", lambda: connections(50, started + resets))
    endless = frame(HEADERS, END_STREAM, 1, fetched(b"/login", at)) + frame(CONTINUATION, 0, 1, literal((b"x", b"y" * 10_000))) * 200
    attack("heads without an end", lambda: connections(50, started + endless))
    # One header of 4,000 bytes that is kept, and then named by one byte each.
    bomb = fetched(b"/login", at) + literal((b"x", b"y" * 3_900), kept=True) + b"\xbe" * 12_000
    attack("heads that unfold", lambda: connections(50, started + frame(HEADERS, END_STREAM | END_HEADERS, 1, bomb)))
    # Streams that may not be answered: the client takes no byte of any of them.
    closed_window = PREFACE + frame(SETTINGS, 0, 0, b"\x00\x04" + bytes(4))
    asked = b"".join(frame(HEADERS, END_STREAM | END_HEADERS, n, fetched(script.group(1).encode(), at)) for n in streams)
    attack("answers that nobody takes", lambda: connections(100, closed_window + asked))

    statuses = {
        "deep": post(b'{"speedup":' + b"[" * 3_000 + b"]" * 3_000 + b"}"),
        "shallow": post(b'{"speedup":' + b"[" * 60 + b"]" * 60 + b"}"),
        "large": post(b'{"speedup":"' + b"x" * 10_000 + b'"}'),
        "larger": post(b"x" * 1_000_000),
    }
    assert statuses == {"deep": 400, "shallow": 422, "large": 413, "larger": 413}, statuses
    # A slow body is not waited for, and the platform goes on.
    slow = connections(1, head + b"content-type: application/json\r\ncontent-length: 10\r\n\r\n{")[0]
    answer = wait_for(lambda: closed(slow), "the slow body to be given up", 30)
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert ask(platform.addresses["console"] + "/health")[0] == 200
    print({name: round(rise, 1) for name, rise in rises.items()})
