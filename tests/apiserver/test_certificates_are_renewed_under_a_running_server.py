"""A whole process whose certificates wear out and are made anew beside it, as the supervisor does."""

import datetime
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from cryptography import x509
from tests_apiserver import Api, free_port

from client.kubeconfig import load_kubeconfig
from master import pki
from tests.apiserver.conftest import identities
from tests.e2e.waiting import until

CONFIGS = "/api/v1/namespaces/default/configmaps"
# The interval of half a minute is all that differs from `steersman apiserver`.
_PROCESS = """
import sys, threading
from pathlib import Path
from client import fresh
from master.apiserver.config import Config
from master.apiserver.main import run
fresh.LOOK_S = 0.1
port, data, etc = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
run(Config(bind_address="127.0.0.1", secure_port=port, data_dir=data, config_dir=etc), threading.Event())
"""


class Cluster:
    """The certificates of one apiserver, and its process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        # Made so long ago that less than a third of their life is left.
        self.made = self.renew(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=300))
        arguments = [sys.executable, "-c", _PROCESS, str(self.port), str(folder / "data"), str(folder / "etc")]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2], stderr=log)

    def renew(self, now: datetime.datetime | None = None) -> pki.Pki:
        url = f"https://127.0.0.1:{self.port}"
        return pki.ensure(self._folder / "etc", identities(), server=url, now=now)

    def admin(self) -> Api:
        """With the kubeconfig of now."""
        credentials = load_kubeconfig(self.made.kubeconfig("admin"))
        pool = urllib3.PoolManager(ssl_context=credentials.ssl_context(), retries=False, maxsize=4)
        return Api(f"https://127.0.0.1:{self.port}", pool)

    def shown(self) -> x509.Certificate:
        """The certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.port), ca_certs=str(self.made.ca_certificate), timeout=10)
        return x509.load_pem_x509_certificate(pem.encode())

    def serves(self) -> bool:
        try:
            return self.admin().get("/readyz").status == 200
        except urllib3.exceptions.HTTPError:
            return False


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    running = Cluster(tmp_path)
    try:
        until(running.serves, limit_s=60)
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)


def test_a_running_server_takes_up_new_certificates_and_ends_no_connection(cluster: Cluster) -> None:
    before, old_admin = cluster.shown(), cluster.admin()
    assert before.not_valid_after_utc < datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=70)
    watch = old_admin.watch(f"{CONFIGS}?watch=1&resourceVersion=0")
    assert old_admin.post(CONFIGS, {"metadata": {"name": "before"}}).status == 201
    assert watch.take(1) == [("ADDED", "before")]

    cluster.renew()
    after = until(lambda: (now := cluster.shown()).serial_number != before.serial_number and now, limit_s=60)
    assert after
    assert after.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=300)

    assert cluster.admin().post(CONFIGS, {"metadata": {"name": "after"}}).status == 201, "with the new certificate"
    assert watch.take(1) == [("ADDED", "after")], "on the connection that was there before"
    assert old_admin.get(f"{CONFIGS}/after").status == 200, "with the former certificate, which is still good"
    assert cluster.process.poll() is None


def test_half_a_renewal_leaves_the_former_certificate_in_use(cluster: Cluster) -> None:
    before = cluster.shown()
    key, kept = cluster.made.key("apiserver"), cluster.made.key("apiserver").read_bytes()
    key.write_bytes(b"half of")
    until(lambda: "cannot be used, keeping what was read before" in cluster.log.read_text(), limit_s=60)
    assert cluster.serves()
    assert cluster.shown().serial_number == before.serial_number
    key.write_bytes(kept)
    cluster.renew()
    until(lambda: cluster.shown().serial_number != before.serial_number, limit_s=60)
