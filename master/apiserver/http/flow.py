"""Back-pressure: whether the transport takes more, and waiting until it does."""

from __future__ import annotations

import asyncio

from master.apiserver.http import wire
from master.apiserver.http.message import ClientGoneError


class WriteGate:
    """Open while the transport takes bytes, shut while it is full, gone for good when the client is."""

    __slots__ = ("_gone", "_waiter", "open")

    def __init__(self) -> None:
        self.open = True
        self._gone = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether someone waits in `passed`."""
        return self._waiter is not None

    def shut(self) -> None:
        self.open = False

    def reopen(self) -> None:
        self.open = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def lose(self) -> None:
        self._gone = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ClientGoneError("the client closed the connection"))

    async def passed(self) -> None:
        """Return when the gate is open; only one task may wait. Raises ClientGoneError."""
        if self._gone:
            raise ClientGoneError("the client closed the connection")
        if self.open:
            return
        if self._waiter is not None:
            raise RuntimeError("two tasks write to one connection at once")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class ChunkSink:
    """The body of one stream: each write is one chunk, or plain bytes to a client that knows no chunks."""

    __slots__ = ("_chunked", "_gate", "_transport", "closing", "written")

    def __init__(
        self, transport: asyncio.WriteTransport, gate: WriteGate, *, chunked: bool, closing: asyncio.Event
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._chunked = chunked
        self.closing = closing
        self.written = 0
        """Bytes of the body so far."""

    async def write(self, chunk: bytes) -> None:
        """Send; waits until there was room first, so at most one chunk stands above the limit."""
        if not chunk:
            return
        await self._gate.passed()
        self.written += len(chunk)
        self._transport.write(wire.chunk(chunk) if self._chunked else chunk)
        await self._gate.passed()
