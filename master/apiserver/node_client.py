"""Asks node agents for logs and metrics over HTTPS, with the apiserver's own client certificate.

A small HTTP/1.1 client on asyncio streams: an answer's body comes piece by piece, so that a log that is followed for
days costs one connection and no thread. The agent's certificate is checked against the cluster's CA when one is
given; its name is not, since nodes are reached by the address that they report of themselves.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.core import Node
from api.errors import InternalError, ServiceUnavailable

CONNECT_S = 10.0
HEAD_MAX = 64 * 1024
_PIECE = 64 * 1024
_PLAIN = (("Accept", "*/*"), ("Connection", "close"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTls:
    """PEM files: our client certificate and key, and the CA of the agents' certificates."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Address:
    """Where an agent listens."""

    host: str
    port: int


def address_of(node: Node) -> Address:
    """Where a node's agent listens. Raises ServiceUnavailable when the node has not told."""
    addresses = {item.type: item.address for item in node.status.addresses}
    host = addresses.get("InternalIP") or addresses.get("ExternalIP") or addresses.get("Hostname")
    endpoint = node.status.daemon_endpoints and node.status.daemon_endpoints.kubelet_endpoint
    if not host or not endpoint or not endpoint.port:
        raise ServiceUnavailable(f'node "{node.metadata.name}" has not reported the address of its agent')
    return Address(host, endpoint.port)


class NodeAnswer:
    """An answer whose body is still coming; close it."""

    def __init__(
        self, status: int, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ):
        self.status = status
        self.headers = headers
        self._reader = reader
        self._writer = writer

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectionError when the connection breaks before its end."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            async for piece in self._chunks():
                yield piece
            return
        length = self.headers.get("content-length")
        left = int(length) if length is not None and length.isdigit() else None
        while left is None or left > 0:
            piece = await self._reader.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                if left:
                    raise ConnectionError("the agent closed the connection in the middle of its answer")
                return
            left = None if left is None else left - len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                while size:
                    piece = await self._reader.read(min(size, _PIECE))
                    if not piece:
                        raise ConnectionError("the agent closed the connection in the middle of its answer")
                    size -= len(piece)
                    yield piece
                await self._reader.readexactly(2)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise ConnectionError("the agent's answer is not whole") from error

    async def text(self, limit: int) -> str:
        """The beginning of the body, within the time of a connect."""
        found = b""
        async with asyncio.timeout(CONNECT_S):
            async for piece in self.pieces():
                found += piece
                if len(found) >= limit:
                    break
        return found[:limit].decode(errors="replace")

    def ends(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection itself, after a 101; closing stays with this answer."""
        return self._reader, self._writer

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (OSError, TimeoutError, ssl.SSLError):
            self.abort()


class NodeClient:
    """Opens requests to agents. Without TLS files every request is refused."""

    def __init__(self, tls: NodeTls | None) -> None:
        self._tls = tls
        self._context: ssl.SSLContext | None = None

    def _ssl(self) -> ssl.SSLContext:
        if self._tls is None:
            raise InternalError("the apiserver has no client certificate for node agents")
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(self._tls.ca)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            self._context = context
        return self._context

    def reload(self) -> None:
        """Read the files again for the next connection."""
        self._context = None

    async def open(
        self,
        address: Address,
        path: str,
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = _PLAIN,
    ) -> NodeAnswer:
        """Ask for a path with its query. Raises ServiceUnavailable when the agent cannot be reached."""
        context = self._ssl()
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=context, limit=HEAD_MAX, server_hostname=address.host
                )
        except (OSError, TimeoutError) as error:
            raise _unreachable(address, error) from error
        try:
            writer.write(_request_head(address, path, method, headers))
            async with asyncio.timeout(CONNECT_S):
                status, answered = await read_head(reader)
        except BaseException as error:
            writer.close()
            if isinstance(error, OSError | TimeoutError | ValueError | EOFError | asyncio.LimitOverrunError):
                raise _unreachable(address, error) from error
            raise
        return NodeAnswer(status, answered, reader, writer)


def _request_head(address: Address, path: str, method: str, headers: Sequence[tuple[str, str]]) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{address.port}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers. Raises ValueError for what is not HTTP."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    _, status, *_ = first.split(" ")
    pairs = (text.partition(":") for text in lines)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _unreachable(address: Address, error: BaseException) -> ServiceUnavailable:
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ServiceUnavailable(f"error dialing agent at {address.host}:{address.port}: {reason}")
