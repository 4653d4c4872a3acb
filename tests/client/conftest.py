"""An API server for each test, clients to it, and waiting for a condition."""

from collections.abc import Iterator

import pytest

from client import Client, Credentials
from tests.client.api_server import ApiServer

LIMIT_S = 10.0


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    yield server
    server.close()


@pytest.fixture
def client(api: ApiServer) -> Iterator[Client]:
    made = Client(Credentials(server=api.url))
    yield made
    made.close()
