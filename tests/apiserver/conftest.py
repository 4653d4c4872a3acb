"""A whole apiserver for the tests: real TLS sockets, a real SQLite store, real certificates; one for each module."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from client.kubeconfig import load_kubeconfig
from master import pki
from master.apiserver.config import Config

# The folder is no package (tests are imported by path), so what its tests share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from tests_apiserver import KUBECTL, Api, Running


def identities() -> list[pki.Identity]:
    return [
        pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        ),
        pki.agent_identity(node_name="n1", host_name="n1", addresses=["127.0.0.1"]),
        *pki.standard_identities(node_name="n1"),
    ]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.ensure(tmp_path_factory.mktemp("etc"), identities(), server="https://127.0.0.1:1")


@pytest.fixture(scope="module")
def new_server(certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Starts servers; on the same data when ``data_dir`` is given again."""
    running: list[Running] = []

    def start(**settings: Any) -> Running:
        settings.setdefault("data_dir", tmp_path_factory.mktemp("data"))
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            config_dir=certificates.directory,
            shutdown_grace_s=2.0,
            **settings,
        )
        assert config.check() == []
        running.append(Running(config))
        return running[-1]

    yield start
    for one in running:
        if not one.loop.is_closed():
            one.stop()


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Running]) -> Running:
    return new_server()


@pytest.fixture
def as_user(certificates: pki.Pki) -> Iterator[Callable[[Running, str], Api]]:
    """Clients by the name of their kubeconfig; "" is nobody."""
    opened: list[Api] = []

    def client(server: Running, name: str) -> Api:
        credentials = load_kubeconfig(certificates.kubeconfig(name or "admin"))
        if name:
            context = credentials.ssl_context()
        else:
            context = urllib3.util.create_urllib3_context()
            context.load_verify_locations(cadata=credentials.ca.decode())
        opened.append(Api(server.url, urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)))
        return opened[-1]

    yield client
    for api in opened:
        for stream in api.streams:
            stream.close()
        api.pool.clear()


@pytest.fixture
def admin(server: Running, as_user: Callable[[Running, str], Api]) -> Api:
    return as_user(server, "admin")


@pytest.fixture
def namespace(admin: Api, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    made = admin.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}})
    assert made.status == 201, made.data
    name: str = made.json["metadata"]["name"]
    return name


@pytest.fixture
def kubectl(server: Running, certificates: pki.Pki, tmp_path: Path, namespace: str) -> Callable[..., Any]:
    """Runs the real kubectl in the test's namespace; returns the finished process."""
    assert KUBECTL is not None, "kubectl is not installed"
    text = certificates.kubeconfig("admin").read_text().replace("https://127.0.0.1:1", server.url)
    config = tmp_path / "kubeconfig"
    config.write_text(text)

    def run(*arguments: str, stdin: str = "", ok: bool = True) -> Any:
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", config, "--cache-dir", tmp_path / "cache", "-n", namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode == 0) is ok, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    return run
