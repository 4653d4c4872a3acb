"""Sockets that never wait, and the one place where a session waits for all of its sockets at once.

A TLS connection may be used by one thread only (OpenSSL's rule), so a session moves both directions in its own thread,
driven by poll. The rule: what waits to be sent is bounded, since a session reads from one side only while the other
is not ``full``.
"""

import select
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

HIGH_WATER_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """One socket, whose ownership it takes. ``ended``: nothing more comes from it; ``broken``: nothing goes to it;
    ``connecting``: what is sent waits, and ``wait`` tells when it is known what became of it.
    """

    def __init__(self, connection: socket.socket, first: bytes = b"", *, connecting: bool = False) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.connecting = connecting
        self.ended = False
        self.broken = False
        self._first = first
        self._out = bytearray()
        self._end_wanted = False

    @property
    def full(self) -> bool:
        return len(self._out) >= HIGH_WATER_BYTES

    @property
    def waiting(self) -> int:
        """Bytes that are not sent yet."""
        return 0 if self.broken else len(self._out)

    @property
    def has_pending(self) -> bool:
        """Whether there is something to read of which poll knows nothing."""
        return bool(self._first) or (isinstance(self.connection, ssl.SSLSocket) and self.connection.pending() > 0)

    def receive(self) -> bytes:
        """What is there now; nothing is no end, see ``ended``."""
        if self._first:
            data, self._first = self._first, b""
            return data
        try:
            data = self.connection.recv(_READ_BYTES)
        except _NOT_NOW:
            return b""
        except OSError:
            data = b""
        self.ended = not data
        return data

    def send(self, data: bytes) -> None:
        if not self.broken and not self._end_wanted:
            self._out += data
            self.flush()

    def flush(self) -> None:
        """Send what can be sent without waiting."""
        if self.connecting:
            return
        try:
            while self._out and not self.broken:
                with memoryview(self._out) as view, view[:_READ_BYTES] as part:
                    sent = self.connection.send(part)
                del self._out[:sent]
        except _NOT_NOW:
            return
        except OSError:
            self.broken = True
        if self._end_wanted and not self.broken:
            self._half_close()

    def end_sending(self) -> None:
        """Half-close, after what waits has left. Only for sockets without TLS, which knows no half-close."""
        self._end_wanted = True
        self.flush()

    def _half_close(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken = True

    def connected(self) -> None:
        self.connecting = False
        self.flush()

    def replace(self, connection: socket.socket) -> None:
        """Go on with another socket, with all that still waits."""
        self.connection.close()
        connection.setblocking(False)
        self.connection = connection

    def say_goodbye(self) -> None:
        """Tell a TLS peer that nothing more comes (close_notify). From here on what is received is for nobody: bytes as
        they come, not decrypted, until the peer closes.
        """
        if not isinstance(self.connection, ssl.SSLSocket):
            return
        try:
            self.connection.unwrap()
        except (OSError, ValueError):
            # It has been sent. The peer's own is not there yet, or stands behind data that OpenSSL will not skip.
            pass
        self.connection = socket.socket(fileno=self.connection.detach())

    def close(self) -> None:
        self.connection.close()


@dataclass(frozen=True, slots=True)
class Interest:
    """A wire, and whether it is to be read. ``watched``: whether its hang-up matters while it is not read."""

    wire: Wire
    reading: bool
    watched: bool = False

    @property
    def events(self) -> int:
        if self.wire.connecting:
            return select.POLLOUT
        events = select.POLLIN if self.reading else 0
        if self.wire.waiting:
            events |= select.POLLOUT
        if self.watched:
            events |= select.POLLRDHUP
        return events


def wait(interests: Iterable[Interest], timeout_s: float) -> set[Wire]:
    """Wait for something to do; flushes, and returns the wires to read or, when connecting, to look at.

    A watched one that hung up unread is ``ended``.
    """
    waited = {item.wire.connection.fileno(): item for item in interests if item.events}
    pending = {item.wire for item in waited.values() if item.reading and item.wire.has_pending}
    poll = select.poll()
    for fileno, item in waited.items():
        poll.register(fileno, item.events)
    found = poll.poll(0 if pending else max(0.0, timeout_s) * 1000)
    return pending | {waited[fileno].wire for fileno, events in found if _is_readable(waited[fileno], events)}


def _is_readable(item: Interest, events: int) -> bool:
    if item.wire.connecting:
        return bool(events)
    if events & select.POLLOUT:
        item.wire.flush()
    gone = events & (select.POLLHUP | select.POLLERR | select.POLLRDHUP | select.POLLNVAL)
    if gone and not item.reading:
        # With data unread it is not the end of what was sent, but it is the end of the one who sent it.
        item.wire.ended = item.wire.ended or item.watched
        item.wire.broken = item.wire.broken or not item.watched
        return False
    return bool(events & select.POLLIN or gone)
