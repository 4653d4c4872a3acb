"""Several API servers of one cluster: who does not get in at one goes to the next."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.core import Pod
from client import Client, Credentials, Informer, Unreachable
from client.kubeconfig import KubeconfigError, load_kubeconfig
from tests.client.api_server import ApiServer
from tests.client.test_calls_are_typed import pod
from tests.e2e.waiting import until

_KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
users: [{name: u, user: {token: "secret"}}]
clusters:
- name: k
  cluster:
    server: %s
    extensions: [{name: steersman.io/servers, extension: {servers: %s}}]
"""


@pytest.fixture
def other() -> Iterator[ApiServer]:
    server = ApiServer()
    yield server
    server.close()


def _nowhere() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_write_goes_to_the_next_server_when_nothing_was_sent(api: ApiServer) -> None:
    client = Client(Credentials(server=_nowhere(), others=(_nowhere(), api.url)))
    with closing(client):
        client.create(pod("a"))
        client.create(pod("b"))
    assert [method for method, _, _ in api.requests] == ["POST", "POST"]


def test_all_away_is_told_once_each_was_tried() -> None:
    first, last = _nowhere(), _nowhere()
    client = Client(Credentials(server=first, others=(last,)))
    with closing(client), pytest.raises(Unreachable, match=f"{last}.*refused"):
        client.create(pod("a"))


def test_who_was_led_to_another_stays_there(other: ApiServer) -> None:
    late = ApiServer()
    with closing(Client(Credentials(server=late.url, others=(other.url,)))) as client:
        client.create(pod("a"))
        late.close()
        client.list(Pod)
        client.create(pod("b"))
        assert (len(late.requests), len(other.requests)) == (1, 2)
        back = ApiServer(port=late.port)
        try:
            client.create(pod("c"))
            assert back.requests == []
        finally:
            back.close()


def test_a_server_that_lets_us_in_and_never_answers_is_left(other: ApiServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        first = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with closing(Client(Credentials(server=first, others=(other.url,)))) as client:
            client.transport.request("GET", "/api/v1/pods", timeout_s=0.2)
    assert len(other.requests) == 1


def test_an_informer_follows_at_the_next_server(api: ApiServer, other: ApiServer) -> None:
    first, seen = ApiServer(), threading.Event()
    with closing(Client(Credentials(server=first.url, others=(other.url,)))) as client:
        informer = Informer(client, Pod, on_change=lambda *_: seen.set())
        informer.start()
        until(lambda: informer.following)
        first.close()
        other.put(pod("a"))
        until(seen.is_set)
        assert informer.get("default", "a") is not None
        informer.stop()


def test_a_kubeconfig_names_them_among_its_extensions(api: ApiServer, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(_KUBECONFIG % (_nowhere(), [api.url]))
    with closing(Client.from_kubeconfig(path)) as client:
        client.create(pod("a"))
    assert api.tokens == ["Bearer secret"]
    path.write_text(_KUBECONFIG % (_nowhere(), ["ftp://x"]))
    with pytest.raises(KubeconfigError, match=r"extensions\[steersman.io/servers\].servers: must begin with https"):
        load_kubeconfig(path)
