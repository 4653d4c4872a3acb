"""Asks a server for one page and reads no more than the status of its answer.

A probe is made every second in many pods, and http.client spends half a millisecond of processor time on each: this
takes a tenth of it. What it may not do: send a line that the pod's author did not mean to be one.
"""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from functools import cache

Header = tuple[str, str]
_HEAD_LIMIT_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, a token
_NO_PATH = re.compile(r"[\x00-\x20\x7f]")


def http_status(scheme: str, host: str, port: int, path: str, headers: Sequence[Header], *, timeout_s: float) -> int:
    """The status; the limit is that of the whole. Certificates are not checked.

    Raises TimeoutError, other OSErrors, and ValueError for what is no HTTP, on either side.
    """
    deadline = time.monotonic() + timeout_s
    question = _question(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path, headers)
    with socket.create_connection((host, port), timeout=timeout_s) as plain:
        if scheme != "https":
            return _ask(plain, question, deadline)
        plain.settimeout(_left_s(deadline))
        with _trusting().wrap_socket(plain, server_hostname=host) as secure:
            return _ask(secure, question, deadline)


def _question(authority: str, path: str, headers: Sequence[Header]) -> bytes:
    if _NO_PATH.search(path):
        raise ValueError(f"invalid path {path!r}")
    named = {name.lower() for name, _ in headers}
    lines = [f"GET {path} HTTP/1.1", *([] if "host" in named else [f"Host: {authority}"])]
    for name, value in headers:
        if not _NAME.fullmatch(name) or any(char in value for char in "\r\n\0"):
            raise ValueError(f"invalid header {name!r}")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")


def _ask(connection: socket.socket, question: bytes, deadline: float) -> int:
    connection.settimeout(_left_s(deadline))
    connection.sendall(question)
    head = b""
    while True:
        while b"\r\n\r\n" not in head and b"\n\n" not in head:
            connection.settimeout(_left_s(deadline))
            chunk = connection.recv(4096)
            if not chunk or len(head) > _HEAD_LIMIT_BYTES:
                break
            head += chunk
        found = _STATUS.match(head)
        if found is None:
            raise ValueError("EOF" if not head else f"malformed HTTP response {head[:60]!r}")
        if int(found[1]) >= 200 or int(found[1]) == 101:
            return int(found[1])
        head = _after_head(head)  # 100 Continue and the like: the answer follows


def _after_head(head: bytes) -> bytes:
    for end in (b"\r\n\r\n", b"\n\n"):
        if end in head:
            return head.partition(end)[2]
    raise ValueError("EOF")


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


@cache
def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
