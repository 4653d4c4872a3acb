"""What stands beside the apiserver in the same run, so that ratios can be told on any machine.

A one-line application under uvicorn says what a well-known server of Python reaches; a loop over epoll that answers
with the same bytes whatever it is sent says what this machine, its kernel and OpenSSL allow a program in Python. The
same loop that makes all it was sent at a time durable in one transaction, before it answers, says what they allow one
that writes.
"""

import argparse
import contextlib
import select
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.served import free_port
from bench.store import BARE_INSERT, bare_table
from master.apiserver.http.tls import TlsFiles, server_context
from master.pki import Pki

_LIMIT_S = 30.0
# As long as the answer to a GET of one pod of the measurement.
_BODY = b"x" * 2500
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


async def app(scope: dict, receive: object, send) -> None:  # type: ignore[no-untyped-def,type-arg]  # noqa: ARG001
    """The one line under uvicorn."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2500")]})
    await send({"type": "http.response.body", "body": _BODY})


@contextlib.contextmanager
def uvicorn() -> Iterator[str]:
    """Its address; without TLS, which would only make it slower."""
    port = free_port()
    with _running(["uvicorn", "--port", str(port), "--log-level", "warning", "bench.references:app"], port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def epoll(certificates: Pki | None = None, rows: Path | None = None) -> Iterator[str]:
    """The address of the bare loop; over TLS with client certificates when there are some. ``rows``: a database that
    is not there yet, in which it keeps what it is sent."""
    port = free_port()
    options = [f"--pki={certificates.directory}"] if certificates else []
    options += [f"--rows={rows}"] if rows else []
    with _running(["bench.references", str(port), *options], port):
        yield f"{'https' if certificates else 'http'}://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(module: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *module])
    try:
        begun = time.monotonic()
        while time.monotonic() < begun + _LIMIT_S:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(_LIMIT_S)


def serve(port: int, context: ssl.SSLContext | None, rows: sqlite3.Connection | None) -> None:
    """Answers each piece that arrives; it understands nothing of it."""
    listener = socket.create_server(("127.0.0.1", port))
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        heard: list[tuple[socket.socket, bytes]] = []
        for handle, _ in poll.poll():
            if handle == listener.fileno():
                sock = _accepted(listener, context)
                if sock is not None:
                    clients[sock.fileno()] = sock
                    poll.register(sock, select.EPOLLIN)
            elif data := _heard(clients[handle]):
                heard.append((clients[handle], data))
            elif data is not None:
                poll.unregister(handle)
                clients.pop(handle).close()
        if rows is not None and heard:
            rows.execute("BEGIN")
            rows.executemany(BARE_INSERT, [("/bare", data) for _, data in heard])
            rows.execute("COMMIT")
        for sock, _ in heard:
            with contextlib.suppress(OSError):  # it is heard of again
                sock.send(_ANSWER)


def _accepted(listener: socket.socket, context: ssl.SSLContext | None) -> socket.socket | None:
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
    except OSError:  # wrk looks whether the port is open before it begins
        sock.close()
        return None
    sock.setblocking(False)
    return sock


def _heard(sock: socket.socket) -> bytes | None:
    """Nothing when the other side is gone, None when there is nothing yet."""
    try:
        return sock.recv(65536)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    except OSError:
        return b""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--pki", type=Path)
    parser.add_argument("--rows", type=Path)
    arguments = parser.parse_args()
    context = None
    if arguments.pki:
        made = Pki(directory=arguments.pki)
        files = TlsFiles(
            certificate=made.certificate("apiserver"), key=made.key("apiserver"), client_ca=made.ca_certificate
        )
        context = server_context(files)
    serve(arguments.port, context, bare_table(arguments.rows) if arguments.rows else None)


if __name__ == "__main__":
    main()
