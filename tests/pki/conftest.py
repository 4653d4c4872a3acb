"""A made set of certificates for tests that only read it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from master.pki import Identity, Pki, agent_identity, apiserver_identity, ensure, standard_identities


def identities(*extra_addresses: str) -> tuple[Identity, ...]:
    server = apiserver_identity(
        host_name="master1",
        addresses=("192.0.2.7", *extra_addresses),
        service_ip="10.96.0.1",
        domain="cluster.local",
    )
    agent = agent_identity(node_name="node1", host_name="node1", addresses=("192.0.2.8",))
    return (server, agent, *standard_identities(node_name="node1"))


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Pki]:
    """Calls ensure on one directory of the test, with more addresses of the apiserver or other arguments."""

    def make(*addresses: str, **kwargs: object) -> Pki:
        arguments = {"server": "https://192.0.2.7:6443", **kwargs}
        return ensure(tmp_path / "etc", identities(*addresses), **arguments)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return ensure(tmp_path_factory.mktemp("made"), identities(), server="https://127.0.0.1:6443")
