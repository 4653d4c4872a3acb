"""Calls to Docker without docker-py, for what is asked often: there it costs ten times as much as the call itself.

One call a connection, in HTTP/1.0: the answer ends with the connection, so that nothing of it has to be parsed but its
head. Paths have no version, which means the daemon's own.
"""

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from agent.runtime.failures import RuntimeRefusal

_HEAD_LIMIT_BYTES = 64 * 1024
Answered = Callable[[str, str, int, float], None]  # method, path, status, seconds


def call(docker_host: str, method: str, path: str, body: Any = None, *, timeout_s: float, answered: Answered) -> Any:
    """The answer, decoded; None when it is empty. The limit is that of each wait, as it is with docker-py.

    Raises RuntimeRefusal when Docker refuses, OSError (TimeoutError too) when it does not answer.
    """
    sent = b"" if body is None else msgspec.json.encode(body)
    began = time.monotonic()
    with connect(docker_host, timeout_s) as connection:
        head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
        status, text = read_head(connection)
        while chunk := connection.recv(65536):
            text += chunk
    answered(method, path.partition("?")[0], status, time.monotonic() - began)
    if status >= 300:
        raise RuntimeRefusal(explanation(text), code=status)
    return msgspec.json.decode(text) if text else None


def connect(docker_host: str, timeout_s: float) -> socket.socket:
    """A new connection to the daemon. Raises OSError."""
    url = urlsplit(docker_host)
    if url.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(url.path)
        except OSError:
            connection.close()
            raise
        return connection
    if url.hostname is None:
        raise requests.exceptions.InvalidURL(docker_host)
    return socket.create_connection((url.hostname, url.port or 2375), timeout=timeout_s)


def read_head(connection: socket.socket) -> tuple[int, bytes]:
    """The status of an answer, and what came behind its head. Raises ConnectionError when the head is not whole."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if not chunk or len(head) > _HEAD_LIMIT_BYTES:
            raise ConnectionError("docker closed the connection before its answer was whole")
        head += chunk
    first, _, _ = head.partition(b"\r\n")
    return int(first.split()[1]), head.partition(b"\r\n\r\n")[2]


def explanation(body: bytes) -> str:
    """What Docker says of a refusal."""
    try:
        return str(msgspec.json.decode(body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body[:300].decode(errors="replace")
