"""One API server for the module, with an administrator's client."""

from collections.abc import Iterator

import pytest

from client import Client
from tests.controllers.live import Master


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    made = Master(tmp_path_factory.mktemp("master"))
    yield made
    made.stop()


@pytest.fixture
def admin(master: Master) -> Iterator[Client]:
    client = master.client("admin")
    yield client
    client.close()
