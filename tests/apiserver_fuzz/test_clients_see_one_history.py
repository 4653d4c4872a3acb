"""Several clients at once, against a model: what was watched and replayed equals what is listed, at every version."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.apiserver_fuzz.live import Client, Server, events
from tests.e2e.waiting import until

NAMES = [f"p{number}" for number in range(6)]
COLORS = ("red", "blue")


def _pod(name: str, color: str, note: str = "") -> dict[str, Any]:
    metadata = {"name": name, "labels": {"color": color}, "annotations": {"note": note}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def _version(obj: Any) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _space(client: Client) -> str:
    made = client.post("/api/v1/namespaces", {"metadata": {"generateName": "h-"}})
    return f"/api/v1/namespaces/{made.json['metadata']['name']}/pods"


class Watch:
    """One open watch, read by a thread of its own."""

    def __init__(self, server: Server, path: str, since: int | str, query: str = "") -> None:
        self.since, self.seen = int(since), list[Any]()
        self._sock = server.connect()
        target = f"{path}?watch=1&resourceVersion={since}{query}"
        self._sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for event in events(self._sock):
                self.seen.append(event)
        except (OSError, ValueError):
            return  # closed by the test

    def reached(self, revision: int) -> bool:
        return bool(self.seen) and _version(self.seen[-1]["object"]) >= revision

    def close(self) -> None:
        self._sock.shutdown(2)
        self._sock.close()
        self._thread.join(5)


def replayed(base: dict[str, Any], seen: list[Any], until: int) -> dict[str, Any]:
    """The state after the events up to a version."""
    state = dict(base)
    for event in seen:
        obj = event["object"]
        if _version(obj) > until:
            break
        assert event["type"] != "ERROR", event
        if event["type"] == "DELETED":
            assert obj["metadata"]["name"] in state, "deleted, and was not there"
            del state[obj["metadata"]["name"]]
        else:
            known = obj["metadata"]["name"] in state
            assert (event["type"] == "MODIFIED") is known, event
            state[obj["metadata"]["name"]] = obj
    return state


def _bare(obj: Any) -> Any:
    """Items of lists are shown without their type in some forms; the content is what counts."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {name: _bare(obj) for name, obj in one.items()} == {name: _bare(obj) for name, obj in other.items()}


def paged(client: Client, path: str, limit: int) -> tuple[int, dict[str, Any], bool]:
    """A list in pieces: its version, its objects, and whether it came whole (and not 410)."""
    query, found, first = f"?limit={limit}", dict[str, Any](), 0
    while True:
        answer = client.get(path + query)
        if answer.status == 410:
            return first, found, False
        listed = answer.json
        first = first or _version(listed)
        assert _version(listed) == first, "a piece shows another version than the first"
        names = [item["metadata"]["name"] for item in listed["items"]]
        assert not set(names) & set(found), "an object in two pieces"
        found |= dict(zip(names, listed["items"], strict=True))
        if not (token := listed["metadata"].get("continue")):
            return first, found, True
        query = f"?limit={limit}&continue={token}"


class History(RuleBasedStateMachine):
    """Two clients write in turn; watches from any version and lists in pieces are checked against what was answered."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.clients = [Client(self.server.port), Client(self.server.port)]
        self.path = _space(self.clients[0])
        self.start = _version(self.clients[0].get(self.path).json)
        self.log: list[tuple[int, str, Any]] = []
        self.watches: list[Watch] = []
        self.pieces: tuple[int, str, dict[str, Any]] | None = None

    def state(self, revision: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, name, obj in self.log:
            if number <= revision:
                found.pop(name, None)
                if obj is not None:
                    found[name] = obj
        return found

    @property
    def now(self) -> dict[str, Any]:
        return self.state(2**62)

    def _wrote(self, name: str, answer: Any, *, gone: bool = False) -> None:
        number = _version(answer.json)
        assert number > (self.log[-1][0] if self.log else self.start), "a version was used again, or went back"
        self.log.append((number, name, None if gone else answer.json))

    @rule(who=st.integers(0, 1), name=st.sampled_from(NAMES), color=st.sampled_from(COLORS))
    def create(self, who: int, name: str, color: str) -> None:
        answer = self.clients[who].post(self.path, _pod(name, color))
        assert answer.status == (409 if name in self.now else 201)
        if answer.status == 201:
            self._wrote(name, answer)

    @rule(who=st.integers(0, 1), name=st.sampled_from(NAMES), color=st.sampled_from(COLORS), old=st.integers(0, 3))
    def update(self, who: int, name: str, color: str, old: int) -> None:
        versions = [obj for _, logged, obj in self.log if logged == name and obj is not None]
        sent = json.loads(json.dumps(versions[-1 - min(old, len(versions) - 1)])) if versions else _pod(name, color)
        sent["metadata"]["labels"] = {"color": color}
        answer = self.clients[who].call("PUT", f"{self.path}/{name}", sent)
        present = self.now.get(name)
        if present is None:
            assert answer.status == 404
        elif _version(sent) != _version(present):
            assert answer.status == 409
        elif present["metadata"]["labels"]["color"] == color:
            assert _version(answer.json) == _version(present), "nothing changed, and a version was used"
        else:
            self._wrote(name, answer)

    @rule(who=st.integers(0, 1), name=st.sampled_from(NAMES), note=st.integers(0, 10**9))
    def patch(self, who: int, name: str, note: int) -> None:
        change = {"metadata": {"annotations": {"note": f"{note}.{len(self.log)}"}}}
        answer = self.clients[who].patch(f"{self.path}/{name}", change, "merge-patch")
        assert answer.status == (200 if name in self.now else 404)
        if answer.status == 200:
            self._wrote(name, answer)

    @rule(who=st.integers(0, 1), name=st.sampled_from(NAMES))
    def delete(self, who: int, name: str) -> None:
        answer = self.clients[who].call("DELETE", f"{self.path}/{name}")
        assert answer.status == (200 if name in self.now else 404)
        if answer.status == 200:
            self._wrote(name, answer, gone=True)

    @precondition(lambda self: len(self.watches) < 4)
    @rule(back=st.integers(0, 10))
    def watch(self, back: int) -> None:
        versions = [self.start, *(number for number, _, _ in self.log)]
        self.watches.append(Watch(self.server, self.path, versions[-1 - min(back, len(versions) - 1)]))

    @precondition(lambda self: self.pieces is None)
    @rule(limit=st.integers(1, 3))
    def begin_pieces(self, limit: int) -> None:
        self._piece(f"?limit={limit}", 0, {})

    @precondition(lambda self: self.pieces is not None)
    @rule(limit=st.integers(1, 3))
    def next_piece(self, limit: int) -> None:
        assert self.pieces is not None
        revision, token, found = self.pieces
        self._piece(f"?limit={limit}&continue={token}", revision, found)

    def _piece(self, query: str, revision: int, found: dict[str, Any]) -> None:
        listed = self.clients[0].get(self.path + query).json
        revision = revision or _version(listed)
        assert _version(listed) == revision
        found = found | {item["metadata"]["name"]: item for item in listed["items"]}
        token = listed["metadata"].get("continue")
        self.pieces = (revision, token, found) if token else None
        if not token:
            assert _same(found, self.state(revision))

    @precondition(lambda self: bool(self.log))
    @rule(back=st.integers(0, 10))
    def list_exactly(self, back: int) -> None:
        revision = self.log[-1 - min(back, len(self.log) - 1)][0]
        listed = self.clients[1].get(f"{self.path}?resourceVersion={revision}&resourceVersionMatch=Exact").json
        assert _version(listed) == revision
        assert _same({item["metadata"]["name"]: item for item in listed["items"]}, self.state(revision))

    @invariant()
    def the_list_is_the_model(self) -> None:
        listed = self.clients[1].get(self.path).json
        assert _same({item["metadata"]["name"]: item for item in listed["items"]}, self.now)

    def teardown(self) -> None:
        last = self.log[-1][0] if self.log else 0
        try:
            for watch in self.watches:
                if watch.since < last:
                    until(lambda watch=watch: watch.reached(last), what="the watch to come so far")
                assert [_version(event["object"]) for event in watch.seen] == [
                    number for number, _, _ in self.log if number > watch.since
                ]
                assert _same(replayed(self.state(watch.since), watch.seen, last), self.now)
        finally:
            for watch in self.watches:
                watch.close()
            for client in self.clients:
                client.close()


def test_two_clients_in_turn(server: Server) -> None:
    History.server = server
    steps = settings(settings.get_profile("fuzz"), max_examples=25, stateful_step_count=30)
    run_state_machine_as_test(History, settings=steps)


@dataclass
class Seen:
    """What one writer was answered."""

    versions: list[int] = field(default_factory=list)


def _write(server: Server, path: str, seed: int, seen: Seen) -> None:
    chance, client = random.Random(seed), Client(server.port)
    for number in range(150):
        name, color = chance.choice(NAMES), chance.choice(COLORS)
        match chance.randrange(4):
            case 0:
                answer = client.post(path, _pod(name, color))
            case 1:
                answer = client.call("DELETE", f"{path}/{name}")
            case 2:
                change = {"metadata": {"labels": {"color": color}, "annotations": {"note": f"{seed}.{number}"}}}
                answer = client.patch(f"{path}/{name}", change, "strategic-merge-patch")
            case _:
                there = client.get(f"{path}/{name}")
                body = there.json | {"metadata": there.json["metadata"] | {"annotations": {"note": f"{seed}.{number}"}}}
                answer = client.call("PUT", f"{path}/{name}", body) if there.status == 200 else there
        assert answer.status in (200, 201, 404, 409), answer.data
        if answer.status < 300:
            seen.versions.append(_version(answer.json))
    client.close()


def _lists(server: Server, path: str, over: threading.Event, found: list[Any]) -> None:
    client, chance = Client(server.port), random.Random(7)
    while not over.is_set():
        found.append(paged(client, path, chance.randint(1, 4)))
    client.close()


@pytest.fixture
def guarded() -> Iterator[Callable[..., threading.Thread]]:
    """Threads whose failures fail the test."""
    failures: list[BaseException] = []

    def start(work: Callable[..., None], *arguments: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001 told to the test below
                failures.append(error)

        thread = threading.Thread(target=run, name=work.__name__)
        thread.start()
        return thread

    yield start
    assert failures == []


def test_four_writers_at_once(server: Server, client: Client, guarded: Callable[..., threading.Thread]) -> None:
    path = _space(client)
    start = _version(client.get(path).json)
    whole, red = Watch(server, path, start), Watch(server, path, start, "&labelSelector=color%3Dred")
    over, lists, writers = threading.Event(), list[Any](), [Seen() for _ in range(4)]
    lister = guarded(_lists, server, path, over, lists)
    for thread in [guarded(_write, server, path, seed, seen) for seed, seen in enumerate(writers)]:
        thread.join(60)
    over.set()
    lister.join(20)
    last = client.post(path, _pod("last", "red")).json
    try:
        for watch in (whole, red):
            until(lambda watch=watch: watch.reached(_version(last)), what="the watch to come so far")
    finally:
        whole.close()
        red.close()
    versions = [_version(event["object"]) for event in whole.seen]
    assert versions == sorted(set(versions)), "a version twice, or out of order"
    answered = [version for seen in writers for version in seen.versions]
    assert set(answered) <= set(versions), "a write that was answered was not seen"
    assert lists
    for revision, found, is_whole in lists:
        assert is_whole
        assert _same(found, replayed({}, whole.seen, revision))
    state = replayed({}, whole.seen, _version(last))
    picked = {name: obj for name, obj in state.items() if obj["metadata"]["labels"]["color"] == "red"}
    assert _same(picked, replayed({}, red.seen, _version(last)))


def test_a_piece_of_a_state_that_is_gone_is_expired_with_a_token_to_go_on(client: Client) -> None:
    path = _space(client).replace("pods", "configmaps")
    for name in "abc":
        client.post(path, {"metadata": {"name": name}})
    first = client.get(f"{path}?limit=1").json
    token = first["metadata"]["continue"]
    for number in range(12):
        client.call("PUT", f"{path}/b", {"metadata": {"name": "b"}, "data": {"a": f"{number}" + "x" * 1_000_000}})
    client.call("PUT", f"{path}/b", {"metadata": {"name": "b"}})
    expired = client.get(f"{path}?limit=1&continue={token}")
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    fresh = expired.json["metadata"]["continue"]
    rest = client.get(f"{path}?limit=5&continue={fresh}")
    assert rest.status == 200
    assert [item["metadata"]["name"] for item in rest.json["items"]] == ["b", "c"]
    assert _version(rest.json) > _version(first)
    old = first["metadata"]["resourceVersion"]
    for query in (f"watch=1&resourceVersion={old}", f"resourceVersion={old}&resourceVersionMatch=Exact"):
        answer = client.get(f"{path}?{query}")
        assert (answer.status, answer.json["reason"]) == (410, "Expired")
