"""Several apiservers over one real etcd: in this process, or as processes of their own that can be killed."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from client.kubeconfig import load_kubeconfig
from master import pki
from master.apiserver.config import Config
from tests.apiserver.tests_apiserver import LIMIT_S, Api, Running, free_port
from tests.e2e.waiting import until
from tests.store.etcd_members import Members

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    identities = [
        pki.apiserver_identity(
            host_name="localhost", addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        ),
        *pki.standard_identities(node_name="n1"),
    ]
    return pki.ensure(tmp_path_factory.mktemp("etc"), identities, server="https://127.0.0.1:1")


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """One member for all tests; each cluster has a prefix of its own."""
    with Members(tmp_path_factory.mktemp("etcd")) as members:
        yield members


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Three members, one of which may be killed."""
    with Members(tmp_path_factory.mktemp("etcd3"), 3) as members:
        yield members


@pytest.fixture
def masters(certificates: pki.Pki, tmp_path: Path) -> Iterator[Callable[..., list[Running]]]:
    """Starts some apiservers on a new prefix of an etcd."""
    running: list[Running] = []

    def start(etcd: Members, count: int = 2, **settings: Any) -> list[Running]:
        settings.setdefault("etcd_prefix", f"/test-{uuid.uuid4()}")
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            config_dir=certificates.directory,
            data_dir=tmp_path / "never-made",
            shutdown_grace_s=2.0,
            etcd_servers=etcd.endpoints,
            **settings,
        )
        assert config.check() == []
        running.extend(Running(config) for _ in range(count))
        return running[-count:]

    yield start
    for one in running:
        one.stop()
    assert not (tmp_path / "never-made").exists()


@pytest.fixture
def admin(certificates: pki.Pki) -> Iterator[Callable[[str], Api]]:
    """The admin's client of the server at a URL."""
    opened: list[Api] = []

    def client(url: str) -> Api:
        context = load_kubeconfig(certificates.kubeconfig("admin")).ssl_context()
        opened.append(Api(url, urllib3.PoolManager(ssl_context=context, retries=False, maxsize=32)))
        return opened[-1]

    yield client
    for api in opened:
        for stream in api.streams:
            stream.close()
        api.pool.clear()


class Process:
    """An apiserver as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STEERSMAN_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli.steersman", "apiserver", f"--secure-port={self.port}", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self, api: Api) -> None:
        def answers() -> bool:
            assert self._process.poll() is None, "the apiserver ended"
            try:
                return api.get("/readyz").status == 200
            except urllib3.exceptions.HTTPError:
                return False

        until(answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(LIMIT_S)


@pytest.fixture
def process(certificates: pki.Pki, tmp_path: Path) -> Iterator[Callable[[Members, str], Process]]:
    started: list[Process] = []

    def start(etcd: Members, prefix: str) -> Process:
        flags = {
            "bind-address": "127.0.0.1",
            "config-dir": certificates.directory,
            "data-dir": tmp_path / "data",
            "etcd-servers": ",".join(etcd.endpoints),
            "etcd-prefix": prefix,
        }
        started.append(Process(*(f"--{name}={value}" for name, value in flags.items())))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def version(answer: Any) -> int:
    """The resourceVersion of what was answered."""
    text: str = answer.json["metadata"]["resourceVersion"]
    assert re.fullmatch(r"\d+", text)
    return int(text)
