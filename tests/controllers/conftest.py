"""One API server for a module, all controllers beside it, and a namespace for each test."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.core import Namespace
from api.meta import ObjectMeta
from client import Client, sharing
from master.controllers.config import Config
from master.controllers.main import run
from tests.controllers.live import LIMIT_S, Master

_numbers = itertools.count(1)
Start = Callable[..., threading.Event]


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    made = Master(tmp_path_factory.mktemp("master"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def admin(master: Master) -> Iterator[Client]:
    client = master.client("admin")
    yield client
    client.close()


@pytest.fixture
def controllers(master: Master) -> Iterator[Start]:
    """Starts all controllers; returns what stops them before the test's end."""
    started: list[tuple[threading.Event, threading.Thread]] = []

    def start(**settings: Any) -> threading.Event:
        stop = threading.Event()
        # They are alone; where they are not, a test says so.
        settings = {"leader_elect": False, **settings}
        config = Config(kubeconfig=master.kubeconfig("controller-manager"), **settings)
        assert config.check() == []
        thread = threading.Thread(target=run, args=(config, stop))
        thread.start()
        started.append((stop, thread))
        return stop

    yield start
    for stop, _ in started:
        stop.set()
    for _, thread in started:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    # Nobody may change what an informer hands out.
    assert (sharing._NO_LIST, sharing._NO_DICT) == ([], {})


@pytest.fixture
def namespace(admin: Client) -> str:
    """Of the test's own."""
    name = f"t{next(_numbers)}"
    admin.create(Namespace(metadata=ObjectMeta(name=name)))
    return name
