"""An API server for each test, clients to it, and waiting for a condition."""

import time
from collections.abc import Callable, Iterator

import pytest

from client import Client, Credentials
from tests.client.api_server import ApiServer

LIMIT_S = 10.0
Until = Callable[[Callable[[], object]], None]


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


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds, within a limit."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end, "never came true"
            time.sleep(0.002)

    return wait
