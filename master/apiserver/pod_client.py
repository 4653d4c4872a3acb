"""Passes one request to a port of a pod, plain or over TLS; the answer comes piece by piece.

A pod's certificate is not checked: no CA is known that could have signed it, and the pod is reached by its address.
"""

import asyncio
import ssl
import weakref
from collections.abc import Sequence
from functools import cache

from api.errors import ServiceUnavailable
from master.apiserver.node_client import CONNECT_S, HEAD_MAX, Address, NodeAnswer, read_head

_ANSWER_S = 60.0


@cache
def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def open_to_pod(
    address: Address,
    path: str,
    *,
    method: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    secure: bool,
) -> NodeAnswer:
    """Raises ServiceUnavailable when the pod does not take or does not answer it."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=_trusting() if secure else None, limit=HEAD_MAX
            )
    except (OSError, TimeoutError) as error:
        raise _unreachable(address, error) from error
    try:
        writer.write(_head(address, path, method, headers, body) + body)
        async with asyncio.timeout(_ANSWER_S):
            status, answered = await read_head(reader)
    except BaseException as error:
        writer.close()
        if isinstance(error, OSError | TimeoutError | ValueError | EOFError | asyncio.LimitOverrunError):
            raise _unreachable(address, error) from error
        raise
    if method == "HEAD" or status in (204, 304):
        answered = {**answered, "content-length": "0"}
        answered.pop("transfer-encoding", None)
    answer = NodeAnswer(status, answered, reader, writer)
    # Where the client has left, nobody reads it: then the connection goes with it.
    weakref.finalize(answer, writer.transport.abort)
    return answer


def _head(address: Address, path: str, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{address.port}", "Connection: close"]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _unreachable(address: Address, error: BaseException) -> ServiceUnavailable:
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ServiceUnavailable(f"error trying to reach service: dial tcp {address.host}:{address.port}: {reason}")
