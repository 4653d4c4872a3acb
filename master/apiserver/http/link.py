"""One accepted socket, plain or TLS, as the transport of a protocol.

It keeps asyncio's contract for transports, and differs in one thing: OpenSSL reads and writes the socket itself.
asyncio passes TLS through two buffers in memory and a state machine in Python, which costs as much as all the rest of
a small request (`python -m bench.apiserver_http`).

The rule: nothing here waits. What the kernel does not take now is kept, in order, until it does; the protocol is told
when that is too much.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

# A record of TLS holds no more; so one read empties what OpenSSL has decrypted, and the kernel tells of the rest.
_READ_BYTES = 16 * 1024
# A write that did not fit must be tried again with the same bytes: small pieces show sooner that a client does read.
_WRITE_BYTES = 64 * 1024
_HIGH_BYTES = 64 * 1024
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Link(asyncio.Transport):
    """Made with an accepted socket; after the handshake it belongs to the protocol that the factory makes."""

    def __init__(
        self,
        sock: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        *,
        context: ssl.SSLContext | None = None,
        handshake_s: float = 10.0,
    ) -> None:
        """Raises OSError when the client has gone already."""
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._peer = sock.getpeername()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._context = context
        self._sock = sock
        if context is not None:
            self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._fd = self._sock.fileno()
        self._factory = factory
        self._protocol: Any = None
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._high, self._low = _HIGH_BYTES, _HIGH_BYTES // 4
        self._paused_protocol = self._reading = self._closing = self._eof_wanted = False
        self._lost = False
        if context is None:
            self._begin()
        else:
            self._too_slow = self._loop.call_later(handshake_s, self._give_up, "it took too long")
            self._loop.add_reader(self._fd, self._shake_hands)

    # The beginning.

    def _shake_hands(self) -> None:
        try:
            self._sock.do_handshake()  # type: ignore[attr-defined]
        except ssl.SSLWantReadError:
            # An empty socket can always be written to: who waits for more must not be told so again and again.
            self._loop.remove_writer(self._fd)
            return
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._shake_hands)
            return
        except OSError as error:
            self._give_up(str(error))
            return
        self._too_slow.cancel()
        self._loop.remove_writer(self._fd)
        self._begin()

    def _give_up(self, why: str) -> None:
        log.debug("no handshake address=%s why=%s", self._peer[0], why)
        self._too_slow.cancel()
        self._forget_socket()

    def _begin(self) -> None:
        self._protocol = self._factory()
        self._reading = True
        self._loop.add_reader(self._fd, self._read)
        self._protocol.connection_made(self)

    # In.

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self._fail(error)
            return
        if data:
            try:
                self._protocol.data_received(data)
            except Exception:  # a door: a connection that went wrong inside must not stay half alive
                log.exception("connection failed address=%s", self._peer[0])
                self.abort()
            return
        self.pause_reading()
        if not self._protocol.eof_received():
            self.close()

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._fd, self._read)

    # Out.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send now what the kernel takes, and the rest later."""
        if self._lost or self._eof_wanted:
            return
        if not self._unsent and len(data) <= _WRITE_BYTES:
            try:
                sent = self._sock.send(data)
            except _NOT_NOW:
                sent = 0
            except OSError as error:
                self._fail(error)
                return
            if sent == len(data):
                return
            self._keep(memoryview(data)[sent:])
            # OpenSSL takes one record at a time, so there may be room for more.
            self._flush()
        else:
            idle = not self._unsent
            self._keep(memoryview(data))
            if idle:
                self._flush()
        self._tell_if_full()

    def _keep(self, data: memoryview) -> None:
        self._unsent_bytes += len(data)
        self._unsent.extend(data[start : start + _WRITE_BYTES] for start in range(0, len(data), _WRITE_BYTES))

    def _flush(self) -> None:
        try:
            while self._unsent:
                piece = self._unsent[0]
                sent = self._sock.send(piece)
                self._unsent_bytes -= sent
                if sent == len(piece):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = piece[sent:]
        except _NOT_NOW:
            self._loop.add_writer(self._fd, self._flush)
        except OSError as error:
            self._fail(error)
            return
        else:
            self._loop.remove_writer(self._fd)
        self._tell_if_room()
        if not self._unsent:
            self._after_the_last_byte()

    def _after_the_last_byte(self) -> None:
        if self._closing:
            self._end(None)
        elif self._eof_wanted:
            self._shut()

    def _tell_if_full(self) -> None:
        if self._unsent_bytes > self._high and not self._paused_protocol:
            self._paused_protocol = True
            self._protocol.pause_writing()

    def _tell_if_room(self) -> None:
        if self._paused_protocol and self._unsent_bytes <= self._low:
            self._paused_protocol = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self._unsent_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = _HIGH_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return self._context is None

    def write_eof(self) -> None:
        """Raises OSError when the client is gone."""
        if not self._eof_wanted and not self._closing:
            self._eof_wanted = True
            if not self._unsent:
                self._sock.shutdown(socket.SHUT_WR)

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._fail(error)

    # The end.

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """When all that was written has left. Nothing more is read."""
        if self._closing:
            return
        self.pause_reading()
        self._closing = True
        if not self._unsent:
            self._end(None)

    def abort(self) -> None:
        self._end(None, clean=False)

    def _fail(self, error: OSError) -> None:
        log.debug("connection lost address=%s error=%s", self._peer[0], error)
        self._end(error, clean=False)

    def _end(self, error: OSError | None, *, clean: bool = True) -> None:
        if self._lost:
            return
        self.pause_reading()
        self._lost = self._closing = True
        self._loop.remove_writer(self._fd)
        self._unsent.clear()
        self._unsent_bytes = 0
        if clean and self._context is not None:
            self._say_goodbye()
        self._loop.call_soon(self._tell_lost, error)

    def _say_goodbye(self) -> None:
        """TLS has an end of its own (close_notify), by which the client knows that nothing was cut off."""
        try:
            self._sock.unwrap()  # type: ignore[attr-defined]
        except (OSError, ValueError) as error:
            # It also waits for the client's, which we need not (RFC 8446, 6.1).
            log.debug("goodbye address=%s error=%s", self._peer[0], error)

    def _tell_lost(self, error: OSError | None) -> None:
        self._protocol.connection_lost(error)
        self._forget_socket()

    def _forget_socket(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._sock.close()

    # What is known of it.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's: socket, peername; sslcontext and peercert with TLS."""
        match name:
            case "socket":
                return self._sock
            case "peername":
                return self._peer
            case "sslcontext":
                return self._context if self._context is not None else default
            case "peercert" if isinstance(self._sock, ssl.SSLSocket):
                return self._sock.getpeercert()
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol
