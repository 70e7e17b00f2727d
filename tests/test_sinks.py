"""Results into a cluster by `hailstream sql`: over TLS, with a name and a password. The cluster is the search door of a platform."""

import os
import subprocess

import pytest
from elasticsearch import Elasticsearch

from hailstream import BINARY, Platform

KEYS = '[[key]]\nid = "A"\nsecret = "hush-a"\nrole = "admin"\n[[key]]\nid = "V"\nsecret = "hush-v"\nrole = "viewer"\n'
SCRIPT = """
CREATE TABLE docs (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'opensearch', 'hosts' = '{hosts}',
  'index' = 'docs', 'username' = '{id}', 'password' = '{secret}' {more});
INSERT INTO docs VALUES ('a', 1), ('b', 2), ('a', 3);
"""


@pytest.fixture
def cluster(tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    platform = Platform(tmp_path, "--tls", "required", "--credentials", keys)
    yield platform
    assert platform.end() == 0


def sql(cluster, trusted, id="A", secret="hush-a", more=""):
    """What running the script comes to: its end, and what it said."""
    script = SCRIPT.format(hosts=cluster.addresses["search"], id=id, secret=secret, more=more)
    done = subprocess.run(
        [BINARY, "sql", "-e", script], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        env=os.environ | ({"SSL_CERT_FILE": str(trusted)} if trusted else {}))
    assert "hush" not in done.stdout + done.stderr
    return done.returncode, done.stderr


def test_a_cluster_is_written_to_over_tls_by_somebody_it_knows(cluster, tmp_path):
    assert cluster.addresses["search"].startswith("https://")
    certificate = tmp_path / "data" / "tls" / "cert.pem"
    code, told = sql(cluster, certificate)
    assert code == 0, told
    search = Elasticsearch([cluster.addresses["search"]], ca_certs=str(certificate), http_auth=("A", "hush-a"))
    search.indices.refresh(index="docs")
    hits = search.search(index="docs")["hits"]["hits"]
    assert {hit["_id"]: hit["_source"]["n"] for hit in hits} == {"a": 3, "b": 2}
    code, told = sql(cluster, None, more=", 'allow-insecure' = 'true'")
    assert code == 0, told


def test_who_is_not_trusted_or_may_not_write_is_told(cluster, tmp_path):
    certificate = tmp_path / "data" / "tls" / "cert.pem"
    code, told = sql(cluster, certificate, secret="hush-x")
    assert code == 1 and "(401)" in told and "check 'username' and 'password'" in told, told
    code, told = sql(cluster, certificate, id="V", secret="hush-v")
    assert code == 1 and "(403)" in told, told
    code, told = sql(cluster, None, more=", 'sink.bulk-flush.backoff.strategy' = 'DISABLED'")
    assert code == 1 and "no connection" in told and "certificate" in told, told
