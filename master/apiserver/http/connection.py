"""One client's connection: requests come out of the parser, answers go back in the order of the requests.

The rule: at most one exchange is worked on at a time, and while something waits the socket is not read, so a client
can make us hold no more than one read, the pipelined requests in it, and one answer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Awaitable
from typing import cast

from master.apiserver.http import wire
from master.apiserver.http.alarm import Alarm
from master.apiserver.http.compression import compress, wants_gzip
from master.apiserver.http.flow import ChunkSink, WriteGate
from master.apiserver.http.hub import Hub
from master.apiserver.http.message import Again, Answer, ClientGoneError, Response, Stream, Tunnel, Upgrade
from master.apiserver.http.parsing import BODY, HEAD, IDLE, Exchange, Origin, RequestParser
from master.apiserver.http.refusal import RefusedError, status_response
from master.apiserver.http.repeats import Repeats
from master.apiserver.http.tls import peer_of

log = logging.getLogger(__name__)

# A body below this goes out with its head: one record of TLS, one packet. Above it a copy costs more than a record.
_COPIED_BYTES = 64 * 1024
_READY = (Response, Stream, Upgrade)
_INTERNAL = status_response(500, "internal error: see the log of the apiserver")


class Connection(asyncio.Protocol):
    """The protocol object of one accepted socket."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._limits = hub.limits
        self._gate = WriteGate()
        self._gone = asyncio.Event()
        self._queue: deque[Exchange | RefusedError] = deque()
        self._task: asyncio.Task[None] | None = None
        self._cancel_when_gone = False
        self._continue_owed = False
        self._tail: bytearray | None = None  # raw bytes behind a request that asked for an upgrade
        self._over = False  # nothing that still arrives is read as HTTP
        self._linger_until: float | None = None
        self._closing_by: float | None = None
        self._tunnel: asyncio.StreamReaderProtocol | None = None
        self._waiting_bytes = 0
        self._stall_since = 0.0
        self._served = False
        self._exchanges = 0
        self._again: Again | None = None

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, due=self._due, ring=self._too_late)
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        address = transport.get_extra_info("peername")
        self._origin = Origin(peer_of(transport), str(address[0]) if address else "", self._gone)
        self._who = Repeats.who(self._origin.peer)
        self._new_parser()
        if self._hub.closing.is_set():
            self._over = True
            self._transport.abort()
        elif not self._hub.admit(self):
            self._turn_away()
        self._alarm.watch()

    def data_received(self, data: bytes) -> None:
        if self._over or (self._queue and isinstance(self._queue[-1], RefusedError)):
            return
        if self._is_free() and self._tail is None and self._parser.phase is IDLE:
            if self._repeat(data):
                return
            self._parse_alone(data)
        elif self._tail is not None:
            self._tail += data
        else:
            self._parse(data)
        if self._task is None or self._queue or self._tail is not None or self._continue_owed:
            self._go_on()
        # Else it is being worked on, and nothing else can be done: the socket is read on, to see the client leave.

    def eof_received(self) -> None:
        """The client sends no more and counts as gone: close, after what is already written has left."""
        self._close()

    def pause_writing(self) -> None:
        self._gate.shut()
        self._stall_since = self._loop.time()
        self._waiting_bytes = self._transport.get_write_buffer_size()
        self._alarm.watch()

    def resume_writing(self) -> None:
        self._gate.reopen()
        if self._closing_by is not None:
            self._closing_by = self._loop.time() + self._limits.write_stall_s
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._parser.let_go()
        self._queue.clear()
        self._gone.set()
        self._alarm.stop()
        if self._tunnel is not None:
            self._tunnel.connection_lost(exc)
        if self._task is not None and self._cancel_when_gone and not self._gate.awaited:
            self._task.cancel()
        self._gate.lose()
        self._hub.leave(self)

    # Called by the hub.

    def wind_down(self) -> None:
        idle = self._task is None and not self._queue and self._parser.phase is IDLE
        if idle and not self._over:
            self._close()

    def abort(self) -> None:
        self._transport.abort()

    # In: bytes to exchanges.

    def _new_parser(self) -> None:
        self._parser = RequestParser(
            self._limits,
            self._origin,
            uploads=self._hub.uploads,
            on_exchange=self._take,
            on_expect=self._owe_continue,
        )

    def _parse(self, data: bytes) -> None:
        try:
            tail = self._parser.feed(data)
        except RefusedError as refusal:
            if not self._over:
                self._queue.append(refusal)
        else:
            self._tail = None if tail is None else bytearray(tail)

    def _repeat(self, data: bytes) -> bool:
        """Answer what came before, in the same words; False when it is to be parsed and handled."""
        again = self._hub.repeats.find(self._who, data)
        if again is None or self._hub.closing.is_set():
            return False
        answer = again()
        if answer is None or len(answer.body) >= _COPIED_BYTES:
            self._hub.repeats.forget(self._who, data)
            return False
        self._parser.since = self._loop.time()
        self._transport.write(wire.whole_head(answer, "") + answer.body)
        return True

    def _parse_alone(self, data: bytes) -> None:
        """Parse what comes when nothing is pending, and remember it when it was one request and nothing else."""
        self._count_anew()
        self._parse(data)
        if self._again is not None and self._exchanges == 1 and self._parser.phase is IDLE and not self._over:
            self._hub.repeats.keep(self._who, data, self._again)

    def _count_anew(self) -> None:
        self._exchanges, self._again = 0, None

    def _take(self, exchange: Exchange) -> None:
        """One whole request (called in the middle of a read)."""
        if self._over:
            return
        if len(self._queue) >= self._limits.max_pipelined:
            raise RefusedError(429, f"more than {self._limits.max_pipelined} pipelined requests")
        self._continue_owed = False
        self._exchanges += 1
        self._queue.append(exchange)
        self._pump()

    def _owe_continue(self) -> None:
        self._continue_owed = True

    # The turn of each exchange.

    def _go_on(self) -> None:
        """Do what can be done now, and set what is waited for."""
        self._pump()
        while self._tail is not None and self._is_free():
            # The handler did not take the upgrade up: what followed the request is HTTP after all.
            tail, self._tail = bytes(self._tail), None
            self._new_parser()
            self._parse(tail)
            self._pump()
        if self._continue_owed and self._is_free():
            self._continue_owed = False
            self._transport.write(wire.CONTINUE)
        if not self._over:
            self._read_only_when(not self._queue and not self._tail)
        self._alarm.watch()

    def _is_free(self) -> bool:
        return self._task is None and not self._queue and self._gate.open and not self._over

    def _read_only_when(self, wanted: bool) -> None:
        if wanted != self._transport.is_reading() and not self._transport.is_closing():
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _pump(self) -> None:
        while self._queue and self._task is None and self._gate.open and not self._over:
            item = self._queue.popleft()
            if isinstance(item, RefusedError):
                self._refuse(item)
            else:
                self._serve(item)

    def _serve(self, exchange: Exchange) -> None:
        self._served = True
        answer: Answer | Awaitable[Answer]
        try:
            answer = self._hub.handler(exchange.request)
        except Exception:  # noqa: BLE001 a door: whatever a handler raises is logged and answered
            answer = self._failed(exchange)
        if type(answer) is Response and not self._worth_gzip(exchange, answer):
            self._send(exchange, answer)
            self._again = answer.again if exchange.request.method == "GET" and not exchange.http_1_0 else None
        else:
            self._task = self._hub.spawn(self._conclude(exchange, answer), f"http {exchange.request.method}")

    async def _conclude(self, exchange: Exchange, pending: Answer | Awaitable[Answer]) -> None:
        """Answer an exchange that cannot be answered at once."""
        try:
            await self._answer(exchange, await self._settle(exchange, pending))
        except ClientGoneError:
            log.debug("client gone method=%s path=%s", exchange.request.method, exchange.request.raw_path)
        except Exception:
            log.exception("answer failed method=%s path=%s", exchange.request.method, exchange.request.raw_path)
            self._close()
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        finally:
            if self._task is not None:
                self._hub.ended(self._task)
            self._task = None
            self._cancel_when_gone = False
            self._resume()

    def _resume(self) -> None:
        """The task is done: go on with what came meanwhile."""
        if self._over:
            return
        if self._hub.closing.is_set():
            self._close()
        else:
            self._go_on()

    async def _settle(self, exchange: Exchange, pending: Answer | Awaitable[Answer]) -> Answer:
        """Wait for the handler and, where asked for, for the compressor."""
        try:
            answer = pending if isinstance(pending, _READY) else await pending
        except Exception:  # noqa: BLE001 a door: whatever a handler raises is logged and answered
            answer = self._failed(exchange)
        if isinstance(answer, Response) and self._worth_gzip(exchange, answer):
            return await compress(answer, self._hub.compressor)
        return answer

    async def _answer(self, exchange: Exchange, answer: Answer) -> None:
        if self._gone.is_set():
            raise ClientGoneError("the client left before it was answered")
        if isinstance(answer, Response):
            self._send(exchange, answer)
        elif isinstance(answer, Stream):
            await self._stream(exchange, answer)
        elif not exchange.upgrade:
            log.error("upgrade without being asked path=%s", exchange.request.raw_path)
            self._send(exchange, _INTERNAL)
        else:
            await self._hand_over(answer)

    def _failed(self, exchange: Exchange) -> Response:
        log.exception("handler failed method=%s path=%s", exchange.request.method, exchange.request.raw_path)
        return _INTERNAL

    def _worth_gzip(self, exchange: Exchange, response: Response) -> bool:
        most = self._limits.gzip_min_bytes
        return len(response.body) > most and wants_gzip(exchange.request, response)

    # Out: answers to bytes.

    def _send(self, exchange: Exchange, response: Response) -> None:
        keep = exchange.keep_alive and not self._hub.closing.is_set()
        connection = ("keep-alive" if exchange.http_1_0 else "") if keep else "close"
        try:
            head = wire.whole_head(response, connection)
        except ValueError:
            log.exception("response refused path=%s", exchange.request.raw_path)
            response, head = _INTERNAL, wire.whole_head(_INTERNAL, connection)
        has_body = exchange.request.method != "HEAD" and wire.has_body(response.status)
        if has_body and len(response.body) < _COPIED_BYTES:
            self._transport.write(head + response.body)
        else:
            self._transport.write(head)
            if has_body:
                self._transport.write(response.body)
        if not keep:
            self._close()

    async def _stream(self, exchange: Exchange, stream: Stream) -> None:
        """Run the producer; a body that it did not end itself is left without its end, so the client can tell."""
        keep = exchange.keep_alive and not exchange.http_1_0 and not self._hub.closing.is_set()
        chunked = not exchange.http_1_0 and stream.size is None
        head = wire.stream_head(stream, chunked=chunked, keep=keep)
        await self._gate.passed()
        self._transport.write(head)
        if exchange.request.method != "HEAD":
            await self._produce(stream, chunked=chunked)
        if not keep:
            self._close()

    async def _produce(self, stream: Stream, *, chunked: bool) -> None:
        self._cancel_when_gone = True
        sink = ChunkSink(self._transport, self._gate, chunked=chunked, closing=self._hub.closing)
        await stream.producer(sink)
        self._cancel_when_gone = False
        if stream.size not in (None, sink.written):
            raise RuntimeError(f"a body of {stream.size} bytes was announced, {sink.written} were written")
        await self._gate.passed()
        if chunked:
            self._transport.write(wire.LAST_CHUNK)

    async def _hand_over(self, upgrade: Upgrade) -> None:
        """From the 101 on the bytes are the session's, through the reader and writer of the standard library."""
        await self._gate.passed()
        self._transport.write(wire.upgrade_head(upgrade.protocol, upgrade.headers))
        await self._gate.passed()
        reader = asyncio.StreamReader(limit=self._limits.header_bytes)
        writer = self._tunnel_ends(reader)
        try:
            await upgrade.session(Tunnel(reader, writer, self._hub.closing))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            log.debug("session lost its client protocol=%s error=%s", upgrade.protocol, error)
        finally:
            await self._end_tunnel(writer)

    def _tunnel_ends(self, reader: asyncio.StreamReader) -> asyncio.StreamWriter:
        """Put the standard library's protocol in our place; a loss already on its way to us is passed on."""
        self._over = True
        self._tunnel = protocol = asyncio.StreamReaderProtocol(reader)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._tail:
            reader.feed_data(bytes(self._tail))
        self._read_only_when(True)
        return asyncio.StreamWriter(self._transport, protocol, reader, self._loop)

    async def _end_tunnel(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), self._limits.linger_s)
        except (TimeoutError, ConnectionError):
            self._transport.abort()
        finally:
            self._gone.set()
            self._hub.leave(self)

    # The end.

    def _refuse(self, refusal: RefusedError) -> None:
        """Answer with the error and close; what the client still sends is read for a while and thrown away.

        Closing a socket with unread bytes makes the kernel send a reset, which can overtake the answer.
        """
        log.debug("refused status=%d message=%s address=%s", refusal.status, refusal, self._origin.address)
        response = status_response(refusal.status, refusal.message)
        self._over = True
        self._transport.write(wire.whole_head(response, "close") + response.body)
        self._say_no_more()
        self._linger_until = self._loop.time() + self._limits.linger_s
        self._read_only_when(True)
        self._alarm.watch()

    def _say_no_more(self) -> None:
        if self._transport.can_write_eof():
            try:
                self._transport.write_eof()
            except OSError as error:  # reset by the client a moment ago; the loop has not told us yet
                log.debug("client gone address=%s error=%s", self._origin.address, error)
                self._transport.abort()

    def _turn_away(self) -> None:
        """The house is full: no lingering, or a flood of refused clients would fill it too."""
        response = status_response(429, "too many connections")
        self._transport.write(wire.whole_head(response, "close") + response.body)
        self._close()

    def _close(self) -> None:
        """Close once what was written has left; a client that does not take it is cut."""
        self._over = True
        self._linger_until = None
        self._closing_by = self._loop.time() + self._limits.write_stall_s
        self._transport.close()
        self._alarm.watch()

    def _reset(self) -> None:
        """Cut with a reset: a plain close would leave megabytes in the kernel for a client that does not read."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # Time.

    def _due(self) -> float | None:
        """When this connection will have waited too long for its client; None while the waiting is ours."""
        if self._gone.is_set():
            return None
        if not self._gate.open:
            return self._stall_since + self._limits.write_stall_s
        if self._over:
            return self._closing_by if self._linger_until is None else self._linger_until
        if self._task is not None or self._queue:
            return None
        return self._parser.since + self._patience_s()

    def _patience_s(self) -> float:
        if self._parser.phase is BODY:
            return self._limits.body_timeout_s
        if self._parser.phase is HEAD or not self._served:
            return self._limits.header_timeout_s
        return self._limits.idle_timeout_s

    def _too_late(self) -> None:
        if not self._gate.open and self._transport.get_write_buffer_size() < self._waiting_bytes:
            self.pause_writing()  # slow, but it does read
        elif not self._gate.open or self._closing_by is not None:
            log.info("client takes nothing, cut address=%s", self._origin.address)
            self._reset()
        elif self._over or self._parser.phase is IDLE:
            self._close()
        else:
            part = "header" if self._parser.phase is HEAD else "body"
            self._refuse(RefusedError(408, f"request {part} took longer than the server waits"))
