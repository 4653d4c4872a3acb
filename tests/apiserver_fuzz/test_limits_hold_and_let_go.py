"""Too many of anything: each is refused clearly, costs bounded memory, and the server is as before when they leave."""

import asyncio
import contextlib
import json
import re
import resource
import select
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.errors import TooManyRequests
from master.apiserver.authentication.user import MASTERS_GROUP, User
from master.apiserver.inflight import InFlight, Lane, check_room
from tests.apiserver_fuzz.live import Client, Server, events, read_reply
from tests.e2e.waiting import until

MB = 2**20
CONFIGS = "/api/v1/namespaces/default/configmaps"
WATCH = f"GET {CONFIGS}?watch=1&resourceVersion=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> Iterator[None]:
    """A thousand watches need a thousand sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def opened(server: Server) -> Iterator[Callable[..., list[socket.socket]]]:
    """Opens connections; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def connect(count: int, to: Server = server) -> list[socket.socket]:
            return [stack.enter_context(to.connect()) for _ in range(count)]

        yield connect


def _revision(client: Client) -> int:
    return int(client.get(CONFIGS).json["metadata"]["resourceVersion"])


def test_too_many_connections_are_turned_away_and_places_come_free(
    new_server: Callable[..., Server], opened: Callable[..., list[socket.socket]]
) -> None:
    small = new_server(max_connections=20)
    taken = opened(20, small)
    for sock in taken:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_reply(sock).status == 200
    (late,) = opened(1, small)
    answer = read_reply(late).check()
    assert (answer.status, answer.json["reason"]) == (429, "TooManyRequests")
    assert answer.headers["retry-after"] == "1"
    for sock in taken:
        sock.close()
    client = Client(small.port)
    assert until(lambda: client.raw_call("GET", "/livez").status == 200)
    client.close()


def test_a_client_that_never_reads_its_watch_is_dropped_and_holds_up_nobody(
    server: Server, client: Client, opened: Callable[..., list[socket.socket]]
) -> None:
    (deaf,) = opened(1)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall((WATCH % _revision(client)).encode())
    client.post(CONFIGS, {"metadata": {"name": "loud"}})
    before = server.rss_bytes
    for number in range(60):
        answer = client.patch(f"{CONFIGS}/loud", {"data": {"a": f"{number}" + "x" * 500_000}}, "merge-patch")
        assert answer.status == 200
    assert server.rss_bytes - before < 150 * MB  # the history of eight megabytes, twice over, and what a heap keeps
    client.call("DELETE", f"{CONFIGS}/loud")


def test_a_thousand_watches_of_one_client(
    server: Server, client: Client, opened: Callable[..., list[socket.socket]]
) -> None:
    revision = _revision(client)
    before = server.rss_bytes
    watches = opened(1000)
    for sock in watches:
        sock.sendall((WATCH % revision).encode())
    for number in range(20):
        client.post(CONFIGS, {"metadata": {"name": f"w{number}"}, "data": {"a": "x" * 1000}})
    assert server.rss_bytes - before < 200 * MB
    for sock in (watches[0], watches[499], watches[999]):
        seen = events(sock)
        assert [next(seen)["object"]["metadata"]["name"] for _ in range(20)] == [f"w{number}" for number in range(20)]
    for sock in watches:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert client.get(CONFIGS).status == 200


def test_a_hundred_clients_that_ask_for_much_and_read_nothing(
    server: Server, client: Client, opened: Callable[..., list[socket.socket]]
) -> None:
    """A watch from the beginning sends a chunk at a time, however much there is to send."""
    for number in range(8):
        client.post(CONFIGS, {"metadata": {"name": f"big{number}"}, "data": {"a": "x" * 500_000}})
    before = server.rss_bytes
    watches = opened(100)
    for sock in watches:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall((WATCH % 0).encode())
    for _ in range(20):
        assert client.get("/livez").status == 200
    # 100 x 4 MB would be 400 MB: each holds one object above its buffer at most.
    assert server.rss_bytes - before < 250 * MB
    for number in range(8):
        client.call("DELETE", f"{CONFIGS}/big{number}")


def test_half_sent_bodies_fill_no_memory(
    server: Server, client: Client, opened: Callable[..., list[socket.socket]]
) -> None:
    """Two hundred uploads that stop before their end: beyond the bound they are told to come back."""
    before = server.rss_bytes
    head = f"POST {CONFIGS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {3 * MB}\r\n\r\n".encode()
    slow, refused = opened(120), 0
    for sock in slow:
        sock.sendall(head)
        with contextlib.suppress(ConnectionError):
            sock.sendall(b" " * (3 * MB - 1))
    waiting, end = set(slow), time.monotonic() + 60
    while refused < 20 and time.monotonic() < end:
        for sock in select.select(list(waiting), [], [], 1.0)[0]:
            waiting.discard(sock)
            with contextlib.suppress(ConnectionError):
                refused += read_reply(sock).status == 429
    assert server.rss_bytes - before < 450 * MB
    assert refused >= 20
    for sock in slow:
        sock.close()
    assert until(lambda: client.post(f"{CONFIGS}?dryRun=All", b" " * (2 * MB)).status == 400)


def test_lanes_refuse_what_is_too_much_and_let_administrators_in() -> None:
    user, admin = User("u", frozenset()), User("a", frozenset({MASTERS_GROUP}))
    lanes = InFlight(reading=1, writing=2)

    def let_in(who: User, verb: str, subresource: str = "") -> Lane:
        lane = lanes.lane(verb, subresource)
        check_room(lane, who)
        return lane

    first = let_in(user, "create")
    first.enter()
    let_in(user, "patch", "status").enter()
    with pytest.raises(TooManyRequests):
        let_in(user, "delete")
    for who, verb, subresource in (
        (admin, "delete", ""),
        (user, "watch", ""),
        (user, "create", "exec"),
        (user, "get", ""),
    ):
        let_in(who, verb, subresource).enter()
    with pytest.raises(TooManyRequests):
        let_in(user, "list")
    first.leave()
    first.leave()
    assert not let_in(user, "delete").full


def test_writers_beyond_the_limit_are_told_when_to_come_back(certificates: Any, new_server: Any) -> None:
    """Anonymous clients may write nothing, so this asks as a component, over TLS."""
    small = new_server(max_mutating_requests_inflight=1)
    status, after = asyncio.run(_burst(certificates, small, 40))
    assert status <= {201, 409, 429}
    assert 429 in status
    assert after == {"1"}
    told = _metrics(small)
    ended = r'apiserver_request_terminations_total\{verb="POST".*resource="events".*code="429"\} [1-9]'
    assert re.search(ended, told)
    # Each of them came with a certificate that lasts for more than a month.
    used = re.search(r"apiserver_client_certificate_expiration_seconds_count (\d+)", told)
    assert used is not None
    assert int(used[1]) >= 40
    assert re.search(r'certificate_expiration_seconds_bucket\{le="2592000.0"\} 0\n', told)


def _metrics(server: Server) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


async def _burst(certificates: Any, server: Server, count: int) -> tuple[set[int], set[str]]:
    from client.kubeconfig import load_kubeconfig

    found = until(lambda: [line for line in server.log.read_text().splitlines() if "serving port=" in line])
    port = int(found[0].split("serving port=")[1].split()[0])
    context = load_kubeconfig(certificates.kubeconfig("controller-manager")).ssl_context()
    body = json.dumps(
        {
            "metadata": {"generateName": "x-", "namespace": "default"},
            "reason": "r",
            "message": "m",
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        }
    ).encode()
    head = f"POST /api/v1/namespaces/default/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    streams = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for _ in range(count)]
    for _, writer in streams:
        writer.write(head.encode() + body)
    status, after = set(), set()
    for reader, writer in streams:
        answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
        status.add(int(answer.split()[1]))
        after |= {line.split(": ")[1] for line in answer.split("\r\n") if line.lower().startswith("retry-after")}
        writer.transport.abort()
    return status, after


def test_what_is_in_flight_at_the_stop_is_answered_and_watches_end_cleanly(new_server: Callable[..., Server]) -> None:
    """Every write that was answered is there after the next start."""
    first = new_server()
    with first.connect() as watch:
        watch.sendall((WATCH % 0).encode())
        seen = events(watch)
        acknowledged: list[str] = []
        started = threading.Event()

        def write() -> None:
            client, number = Client(first.port), 0
            with contextlib.suppress(OSError, Exception):
                while True:
                    answer = client.raw_call("POST", CONFIGS, {"metadata": {"name": f"s{number}"}})
                    if answer.status != 201:
                        break
                    acknowledged.append(f"s{number}")
                    number += 1
                    started.set()

        writers = threading.Thread(target=write, name="writer")
        writers.start()
        assert started.wait(10)
        first.terminate()
        names = [event["object"]["metadata"]["name"] for event in seen]  # to a clean end, or this raises
        writers.join(20)
        assert first.process.wait(20) == 0
    again = new_server(data_dir=first.settings["data_dir"])
    client = Client(again.port)
    there = {item["metadata"]["name"] for item in client.get(CONFIGS).json["items"]}
    client.close()
    assert acknowledged
    assert set(acknowledged) <= there
    assert set(names) <= there
