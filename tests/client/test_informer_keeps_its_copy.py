"""The informer: list and watch, every kind of trouble, indexes."""

import logging
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.core import Pod
from api.errors import Expired, Forbidden, NotFound, ServiceUnavailable, Timeout
from api.meta import ManagedFieldsEntry, ObjectMeta
from client import Client, Credentials, Informer
from master.pki import apiserver_identity, ensure, standard_identities
from tests.client.api_server import ApiServer
from tests.e2e.waiting import until

LIMIT_S = 10.0


def pod(name: str, *, uid: str = "", node: str = "") -> Pod:
    item = Pod(metadata=ObjectMeta(name=name, namespace="default", uid=uid or name))
    item.spec.node_name = node
    return item


class Told:
    """What a listener was told: names that came (+), changed (~) and went (-)."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def __call__(self, old: Pod | None, new: Pod | None) -> None:
        sign = "+" if old is None else "-" if new is None else "~"
        item = new or old
        assert item is not None
        self.changes.append(f"{sign}{item.metadata.name}")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def informer(client: Client, told: Told) -> Iterator[Informer[Pod]]:
    made = Informer(client, Pod, namespace="default", on_change=told)
    made.add_index("node", lambda item: [item.spec.node_name] if item.spec.node_name else [])
    yield made
    made.stop()


@pytest.fixture
def started(api: ApiServer, informer: Informer[Pod]) -> Informer[Pod]:
    """Synced with one pod, and watching."""
    api.put(pod("a"))
    informer.start()
    assert informer.wait_synced(LIMIT_S)
    until(lambda: api.open)
    return informer


def names(informer: Informer[Pod]) -> list[str]:
    return sorted(item.metadata.name for item in informer.items())


def test_managed_fields_are_not_kept(api: ApiServer, informer: Informer[Pod]) -> None:
    written = [ManagedFieldsEntry(manager="kubectl")]
    for name in ("listed", "watched"):
        item = pod(name)
        item.metadata.managed_fields = written
        api.put(item)
        if name == "listed":
            informer.start()
            until(lambda: api.open)
    until(lambda: len(informer.items()) == 2)
    assert [item.metadata.managed_fields for item in informer.items()] == [[], []]


def test_it_lists_and_follows(api: ApiServer, started: Informer[Pod], told: Told) -> None:
    assert started.synced
    assert names(started) == ["a"]
    api.put(pod("b"))
    api.put(pod("a", node="n"))
    api.delete(pod("a"))
    until(lambda: len(told.changes) == 4)
    assert told.changes == ["+a", "+b", "~a", "-a"]
    assert names(started) == ["b"]
    assert started.get("default", "a") is None
    found = started.get("default", "b")
    assert found is not None
    assert (found.kind, found.api_version) == ("Pod", "v1")


def test_all_listeners_hear_and_one_that_breaks_harms_none(
    api: ApiServer, informer: Informer[Pod], told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(old: Pod | None, new: Pod | None) -> None:
        raise RuntimeError("odd pod")

    informer._listeners.insert(0, break_down)
    with caplog.at_level(logging.ERROR):
        informer.start()
        api.put(pod("a"))
        until(lambda: told.changes)
        api.put(pod("b"))
        until(lambda: names(informer) == ["a", "b"])
    assert "listener broke kind=Pod key=default/a" in caplog.text


def test_bookmarks_move_the_version_on(api: ApiServer, started: Informer[Pod]) -> None:
    for _ in range(3):
        api.bookmark()
    until(lambda: started._version == str(api.version))
    last = str(api.version)
    api.cut()
    until(lambda: len(api.watches()) == 2)
    assert api.watches()[1] == last
    assert api.lists() == 1


def test_a_cut_connection_resumes_from_the_last_version(api: ApiServer, started: Informer[Pod], told: Told) -> None:
    api.put(pod("b"))
    until(lambda: "+b" in told.changes)
    last = str(api.version)
    api.cut()
    api.put(pod("c"))
    until(lambda: "+c" in told.changes)
    assert told.changes == ["+a", "+b", "+c"]
    assert api.watches()[1] == last
    assert api.lists() == 1


@pytest.mark.parametrize("way", ["in the stream", "as an answer"])
def test_an_expired_version_lists_again_and_tells_the_difference(
    api: ApiServer, started: Informer[Pod], told: Told, way: str
) -> None:
    api.put(pod("b"))
    until(lambda: "+b" in told.changes)
    with api.changed:
        # Unseen by the watch, as if it had been away.
        api.objects.pop("/api/v1/namespaces/default/pods/a")
        api.objects["/api/v1/namespaces/default/pods/b"]["metadata"]["resourceVersion"] = "900"
    api.log.clear()
    if way == "in the stream":
        api.expire()
    else:
        api.forget()
        api.cut()
    until(lambda: len(told.changes) == 4)
    assert sorted(told.changes[2:]) == ["-a", "~b"]
    assert api.lists() == 2
    api.put(pod("c"))
    until(lambda: "+c" in told.changes)


@pytest.mark.parametrize(("times", "lists"), [(2, 1), (5, 2)])
def test_a_master_that_is_behind_is_asked_again_before_its_list_is_believed(
    api: ApiServer, started: Informer[Pod], told: Told, times: int, lists: int
) -> None:
    started._delay_s = 0.001
    api.refusals = [Timeout("Timeout: Too large resource version: 7, current: 5") for _ in range(times)]
    api.cut()
    until(lambda: not api.refusals)
    api.put(pod("b"))
    until(lambda: "+b" in told.changes)
    assert api.lists() == lists


def test_a_new_object_of_the_same_name_is_told_as_gone_and_come(
    api: ApiServer, started: Informer[Pod], told: Told
) -> None:
    with api.changed:
        api.objects["/api/v1/namespaces/default/pods/a"]["metadata"] |= {"uid": "other", "resourceVersion": "900"}
    api.expire()
    until(lambda: len(told.changes) == 3)
    assert told.changes == ["+a", "-a", "+a"]


def test_it_waits_for_a_server_that_is_away_at_the_start(
    api: ApiServer, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    port = api.port
    api.close()
    client = Client(Credentials(server=api.url))
    informer = Informer(client, Pod, namespace="default", on_change=told)
    informer.start()
    try:
        until(lambda: "watch broken" in caplog.text)
        assert not informer.wait_synced(0)
        back = ApiServer(port=port)
        try:
            back.put(pod("a"))
            until(lambda: names(informer) == ["a"])
        finally:
            informer.stop()
            back.close()
    finally:
        informer.stop()
        client.close()


def test_while_the_server_is_away_the_copy_stays(api: ApiServer, started: Informer[Pod]) -> None:
    api.close()
    assert names(started) == ["a"]
    back = ApiServer(port=api.port)
    try:
        back.version = 50
        back.put(pod("b"))
        until(lambda: names(started) == ["a", "b"] or names(started) == ["b"])
    finally:
        started.stop()
        back.close()


def test_refusals_are_tried_again(api: ApiServer, informer: Informer[Pod]) -> None:
    api.refusals = [Forbidden("not yet"), ServiceUnavailable("starting"), Expired("odd for a list")]
    api.put(pod("a"))
    informer.start()
    until(lambda: names(informer) == ["a"])


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ADDED","object":{"kind":"Pod","metadata":\n',
        b"no json\n",
        b'{"type":"ADDED","object":{"metadata":{"name":5}}}\n',
        b'{"type":"ADDED"}\n',
        b"\n",
    ],
)
def test_a_line_that_makes_no_sense_ends_the_watch_not_the_informer(
    api: ApiServer, started: Informer[Pod], told: Told, line: bytes
) -> None:
    api.send(line)
    api.put(pod("b"))
    api.send(b"")
    with api.changed:
        api.log = [entry for entry in api.log if entry[1] != "RAW"]
    until(lambda: "+b" in told.changes)


def test_a_server_that_ends_every_watch_at_once_is_not_stormed(api: ApiServer, started: Informer[Pod]) -> None:
    stopping = threading.Event()

    def cut() -> None:
        while not stopping.wait(0.001):
            api.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        before, began = len(api.requests), time.monotonic()
        until(lambda: len(api.watches()) >= 3)
        until(lambda: time.monotonic() - began > 1)
        assert len(api.requests) - before <= 8
    finally:
        stopping.set()
        cutter.join(LIMIT_S)


def test_stop_returns_at_once_although_the_watch_is_silent(started: Informer[Pod]) -> None:
    began = time.monotonic()
    started.stop()
    assert time.monotonic() - began < 1
    assert not started._thread.is_alive()


def test_stop_returns_at_once_while_it_waits_to_try_again(api: ApiServer, informer: Informer[Pod]) -> None:
    api.refusals = [Forbidden("no")] * 100
    informer.start()
    informer.stop()
    assert not informer._thread.is_alive()


def test_stop_before_start_is_nothing(informer: Informer[Pod]) -> None:
    informer.stop()


def test_stop_returns_at_once_over_tls(tmp_path: Path) -> None:
    server = apiserver_identity(host_name="localhost", addresses=("127.0.0.1",), service_ip="10.96.0.1", domain="x")
    pki = ensure(tmp_path, (server, *standard_identities(node_name="n")), server="https://127.0.0.1:1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca_certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pki.certificate(server.name), pki.key(server.name))
    api = ApiServer(tls=context)
    config = next(pki.kubeconfig("x").parent.glob("*.kubeconfig"))
    config.write_text(config.read_text().replace("https://127.0.0.1:1", api.url))
    client = Client.from_kubeconfig(config)
    informer = Informer(client, Pod, namespace="default")
    try:
        informer.start()
        until(lambda: api.open)
        api.put(pod("a"))
        until(lambda: names(informer) == ["a"])
        began = time.monotonic()
        informer.stop()
        assert time.monotonic() - began < 1
        assert not informer._thread.is_alive()
    finally:
        informer.stop()
        client.close()
        api.close()


def test_indexes_follow_changes(api: ApiServer, started: Informer[Pod]) -> None:
    def on(node: str) -> list[str]:
        return sorted(item.metadata.name for item in started.indexed("node", node))

    api.put(pod("b", node="n1"))
    api.put(pod("c", node="n1"))
    until(lambda: on("n1") == ["b", "c"])
    api.put(pod("b", node="n2"))
    until(lambda: on("n2") == ["b"])
    assert on("n1") == ["c"]
    api.delete(pod("c"))
    until(lambda: on("n1") == [])
    assert started._indexes["node"].keys.keys() == {"n2"}, "nothing is left of what is gone"


def test_a_selector_and_a_limit_in_time_are_passed_on(api: ApiServer, client: Client) -> None:
    informer = Informer(client, Pod, namespace="default", labels="app=a", fields="spec.nodeName=n")
    informer.start()
    try:
        until(lambda: api.open)
        (_, path, listed), (_, _, watched) = api.requests
        assert path == "/api/v1/namespaces/default/pods"
        assert listed == {"labelSelector": "app=a", "fieldSelector": "spec.nodeName=n"}
        assert watched.items() >= {"allowWatchBookmarks": "true", "watch": "true", **listed}.items()
        assert 300 <= int(watched["timeoutSeconds"]) <= 600
    finally:
        informer.stop()


def test_a_kind_that_the_server_does_not_have_is_none_until_it_has(
    api: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.informer._LOOK_AGAIN_S", 0.05)
    api.refusals = [NotFound("the server could not find the requested resource")] * 10_000
    informer = Informer(client, Pod, namespace="default", optional=True)
    informer.start()
    try:
        assert informer.wait_synced(LIMIT_S)
        assert (informer.served, informer.items()) == (False, [])
        api.put(pod("a"))
        api.refusals.clear()
        until(lambda: informer.served and informer.get("default", "a"))
    finally:
        informer.stop()
