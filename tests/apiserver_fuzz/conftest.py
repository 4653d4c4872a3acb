"""One apiserver process for each module; what it logs must hold no trace of a request that it did not understand."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from master import pki
from tests.apiserver_fuzz.live import Client, Server, free_port

# The same examples in each run: a run that fails can be repeated, and the time it takes is known.
settings.register_profile(
    "fuzz",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    identities = [
        pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        ),
        *pki.standard_identities(node_name="n1"),
    ]
    return pki.ensure(tmp_path_factory.mktemp("etc"), identities, server="https://127.0.0.1:1")


@pytest.fixture(scope="module")
def new_server(certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers; on the same data when ``data_dir`` is given again."""
    running: list[Server] = []

    def start(**given: Any) -> Server:
        data: Path = given.setdefault("data_dir", tmp_path_factory.mktemp("data"))
        wanted = {
            "bind_address": "127.0.0.1",
            "secure_port": 0,
            "insecure_port": free_port(),
            "config_dir": certificates.directory,
            "shutdown_grace_s": 5.0,
        }
        running.append(Server(wanted | given, data / "log"))
        return running[-1]

    yield start
    for one in running:
        one.stop()
    for one in running:
        assert one.complaints() == []


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Server]) -> Server:
    return new_server()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """All rights, plain HTTP."""
    client = Client(server.port)
    yield client
    client.close()
