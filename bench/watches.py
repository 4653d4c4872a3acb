"""Many watchers, one burst of creates: events delivered a second, and how long after the create's answer.

    python -m bench.watches [--watchers 500] [--creates 500]

The server runs in a process of its own on a durable store; this process reads all watches from raw sockets in one epoll
loop and only notes how many lines each piece held and when it came, so that it is not what is measured. Creates go over
sixty-four connections, one request at a time on each.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import select
import socket
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from bench.apiserver import _free_port, pod
from master.apiserver.config import Config
from master.apiserver.main import ensure_certificates
from master.apiserver.server import Apiserver

_PODS = "/api/v1/namespaces/default/pods"
_WRITERS = 64
_LIMIT_S = 60.0


def _serve(folder: Path, port: int, ready: Connection) -> None:
    async def run() -> None:
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            insecure_port=port,
            data_dir=folder / "data",
            config_dir=folder / "etc",
        )
        ensure_certificates(config)
        server = Apiserver(config)
        await server.start()
        ready.send("ready")
        await asyncio.to_thread(ready.recv)
        await server.stop()

    asyncio.run(run())


def _watch(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"GET {_PODS}?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1)
    sock.setblocking(False)
    return sock


class _Burst:
    """Creates pods and notes when each was answered."""

    def __init__(self, port: int, creates: int) -> None:
        self.answered: list[float] = []
        self._port, self._creates = port, creates
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_LIMIT_S)

    def _write(self, first: int) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as sock:
            for number in range(first, self._creates, _WRITERS):
                body = json.dumps(pod(f"web-{number}")).encode()
                head = f"POST {_PODS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += sock.recv(65536)
                length = re.search(rb"(?i)content-length: (\d+)", answer)
                left = int(length[1]) - len(answer.partition(b"\r\n\r\n")[2]) if length else 0
                while left > 0:
                    left -= len(sock.recv(left))
                if b" 201 " not in answer[:20]:
                    raise RuntimeError(f"not created: {answer[:300]!r}")
                self.answered.append(time.monotonic())


def _collect(socks: list[socket.socket], wanted: int) -> dict[int, list[tuple[float, int]]]:
    """For each watcher: when a piece came, and how many events had come in all by then."""
    seen: dict[int, list[tuple[float, int]]] = {sock.fileno(): [] for sock in socks}
    by_handle = {sock.fileno(): sock for sock in socks}
    counts = dict.fromkeys(by_handle, 0)
    poll = select.epoll()
    for handle in by_handle:
        poll.register(handle, select.EPOLLIN)
    open_watches, deadline = len(socks), time.monotonic() + _LIMIT_S
    while open_watches and time.monotonic() < deadline:
        for handle, _ in poll.poll(1.0):
            data = by_handle[handle].recv(1 << 20)
            counts[handle] += data.count(b'{"type":"ADDED"')
            seen[handle].append((time.monotonic(), counts[handle]))
            if counts[handle] >= wanted:
                poll.unregister(handle)
                open_watches -= 1
    if open_watches:
        raise RuntimeError(f"{open_watches} watchers did not see all {wanted} events")
    return seen


def measure(watchers: int, creates: int) -> None:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        here, there = context.Pipe()
        port = _free_port()
        server = context.Process(target=_serve, args=(Path(directory), port, there))
        server.start()
        here.recv()
        socks = [_watch(port) for _ in range(watchers)]
        burst = _Burst(port, creates)
        begun = time.monotonic()
        burst.start()
        seen = _collect(socks, creates)
        took = max(pieces[-1][0] for pieces in seen.values()) - begun
        burst.join()
        _show(seen, sorted(burst.answered), watchers * creates, took)
        for sock in socks:
            sock.close()
        here.send("stop")
        server.join(_LIMIT_S)


def _show(seen: dict[int, list[tuple[float, int]]], answered: list[float], events: int, took: float) -> None:
    delays: list[float] = []
    for pieces in seen.values():
        before = 0
        for when, count in pieces:
            delays.extend(max(when - answered[number], 0.0) for number in range(before, min(count, len(answered))))
            before = count
    delays.sort()
    rate = events / took
    p50, p99 = (delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.99))
    print(f"{'events delivered':<32}{rate:>10,.0f} /s  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms after the answer")
    print(f"{'creates meanwhile':<32}{len(answered) / (answered[-1] - answered[0]):>10,.0f} /s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--watchers", type=int, default=500)
    parser.add_argument("--creates", type=int, default=500)
    chosen = parser.parse_args()
    measure(chosen.watchers, chosen.creates)


if __name__ == "__main__":
    main()
