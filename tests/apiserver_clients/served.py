"""Fixtures: one apiserver for each test process, its certificates, and a client that speaks plain JSON."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from tests_apiserver import Api, Running

from client.kubeconfig import load_kubeconfig
from master import pki
from master.apiserver.config import Config


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    identities = [
        pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        ),
        pki.agent_identity(node_name="n1", host_name="n1", addresses=["127.0.0.1"]),
        *pki.standard_identities(node_name="n1"),
    ]
    return pki.ensure(tmp_path_factory.mktemp("etc"), identities, server="https://127.0.0.1:1")


@pytest.fixture(scope="session")
def server(certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = Config(
        bind_address="127.0.0.1",
        secure_port=0,
        config_dir=certificates.directory,
        data_dir=tmp_path_factory.mktemp("data"),
        shutdown_grace_s=2.0,
    )
    running = Running(config)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def kubeconfig(server: Running, certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The admin's, for the server under test."""
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(certificates.kubeconfig("admin").read_text().replace("https://127.0.0.1:1", server.url))
    return path


@pytest.fixture
def admin(server: Running, certificates: pki.Pki) -> Iterator[Api]:
    context = load_kubeconfig(certificates.kubeconfig("admin")).ssl_context()
    api = Api(server.url, urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8))
    yield api
    for stream in api.streams:
        stream.close()
    api.pool.clear()


@pytest.fixture
def namespace(admin: Api) -> str:
    """A namespace of the test's own."""
    made = admin.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}})
    assert made.status == 201, made.data
    name: str = made.json["metadata"]["name"]
    return name
