"""Many watchers, one burst of creates: events delivered a second, and how long after the create's answer.

    python -m bench.watches [--watchers 500] [--creates 500]

All over TLS with client certificates. The server is a process of its own on a durable store; this one reads all watches
from raw sockets in one epoll loop and only notes how many lines each piece held and when it came, so that it is not
what is measured. Creates go over sixty-four connections, one request at a time on each.
"""

import argparse
import json
import re
import select
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

from bench.served import PODS, Served, pod, served

_WRITERS = 64
_LIMIT_S = 60.0
_MARK = b'{"type":"ADDED"'


def _connect(server: Served, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.port))
    return context.wrap_socket(plain, server_hostname="localhost")


def _watch(server: Served, context: ssl.SSLContext) -> ssl.SSLSocket:
    sock = _connect(server, context)
    sock.sendall(f"GET {PODS}?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1)
    sock.setblocking(False)
    return sock


class _Burst:
    """Creates pods and notes when each was answered."""

    def __init__(self, server: Served, context: ssl.SSLContext, creates: int) -> None:
        self.answered: list[float] = []
        self._creates = creates
        # Connected before the burst begins: handshakes are not what is measured.
        self._socks = [_connect(server, context) for _ in range(_WRITERS)]
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_LIMIT_S)

    def _write(self, first: int) -> None:
        with self._socks[first] as sock:
            for number in range(first, self._creates, _WRITERS):
                body = json.dumps(pod(f"web-{number}")).encode()
                head = f"POST {PODS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
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


class _Reader:
    """One watch: when a piece came, and how many events had come in all by then."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self.pieces: list[tuple[float, int]] = []
        self._count = 0
        self._end = b""

    def read(self) -> int:
        """All that is there; how many events have come so far."""
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except ssl.SSLWantReadError:
                return self._count
            if not data:
                raise RuntimeError("a watch was ended")
            # A piece of TLS may end in the middle of the mark.
            self._count += (self._end + data).count(_MARK)
            self._end = data[-len(_MARK) + 1 :]
            self.pieces.append((time.monotonic(), self._count))


def _collect(readers: list[_Reader], wanted: int) -> None:
    by_handle = {reader.sock.fileno(): reader for reader in readers}
    poll = select.epoll()
    for handle in by_handle:
        poll.register(handle, select.EPOLLIN)
    open_watches, deadline = len(readers), time.monotonic() + _LIMIT_S
    while open_watches and time.monotonic() < deadline:
        for handle, _ in poll.poll(1.0):
            if by_handle[handle].read() >= wanted:
                poll.unregister(handle)
                open_watches -= 1
    if open_watches:
        raise RuntimeError(f"{open_watches} watchers did not see all {wanted} events")


def measure(watchers: int, creates: int) -> None:
    with tempfile.TemporaryDirectory() as directory, served(Path(directory)) as server:
        context = server.context()
        readers = [_Reader(_watch(server, context)) for _ in range(watchers)]
        burst = _Burst(server, context, creates)
        busy = server.busy_s
        begun = time.monotonic()
        burst.start()
        _collect(readers, creates)
        took = max(reader.pieces[-1][0] for reader in readers) - begun
        busy = server.busy_s - busy
        burst.join()
        _show(readers, sorted(burst.answered), watchers * creates, took)
        print(f"{'processor for an event':<32}{busy / (watchers * creates) * 1e6:>10.1f} µs")
        for reader in readers:
            reader.sock.close()


def _show(readers: list[_Reader], answered: list[float], events: int, took: float) -> None:
    delays: list[float] = []
    for reader in readers:
        before = 0
        for when, count in reader.pieces:
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
