"""The two sockets of a TCP flow, and how bytes get from one to the other.

While one side does not take what it is sent, the other is not read (back-pressure), so a flow holds at most one buffer
or one pipe a direction. Copying is first; a direction that filled the buffer several times is spliced through a pipe.

Edge-triggered reading: a read shorter than the buffer means that the socket is empty, and the next data raise a new
edge. That does not hold once the peer's end of stream was announced: its edge may be spent already, so such a socket
is read until it says end or "would block". Splicing reads until then always.

The end of stream is announced after all that came before it is in the socket. So a read that empties such a socket has
the last words, and they are sent on together with the end, in one packet instead of two. Not when urgent data are
about (a read stops before them), nor after an error (what was said is read first, then the error).
"""

from __future__ import annotations

import os
import select
import socket
from typing import Protocol

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.counters import Tally
from netproxy.dataplane.pipes import Pipe

BUFFER_BYTES = 64 * 1024
TURNS = 16
"""Buffers moved in one direction before others have their turn."""
BULK_READS = 4
"""Full buffers after which a direction is spliced."""

_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_IN = select.EPOLLIN
_READABLE = _IN | _ENDED
_ERROR = select.EPOLLERR
_UNCERTAIN = select.EPOLLERR | select.EPOLLPRI
_OUT = select.EPOLLOUT
RECEIVE = socket.MSG_DONTWAIT
SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_SEND_LAST = SEND | socket.MSG_MORE
_TURNS = range(TURNS)

buffer = bytearray(BUFFER_BYTES)
view = memoryview(buffer)
"""One buffer for all flows: nothing stays in it between two calls. Only one loop may run in a process."""


class Owner(Protocol):
    """What two sides belong to."""

    @property
    def backends(self) -> Backends:
        """What it shares with others."""

    def on_dialling(self, side: Side, mask: int) -> None:
        """An event while one side is there only."""

    def half_closed(self, source: Side, target: Side) -> None:
        """The source has said all it will say, and the target has it."""

    def broken(self, side: Side) -> None:
        """Nothing can be written to this side any more."""

    def abort(self) -> None:
        """Reset both sides."""


class Side:
    """One socket of a flow."""

    __slots__ = (
        "blocked",
        "bulk",
        "ended",
        "eof",
        "fd",
        "flow",
        "full_reads",
        "last_words",
        "peer",
        "pending",
        "pipe",
        "readable",
        "sock",
        "tally",
        "write_watched",
    )

    def __init__(self, sock: socket.SocketType, flow: Owner, tally: Tally) -> None:
        self.sock = sock
        self.tally = tally
        """Counts what is read from this side."""
        self.fd = sock.fileno()
        self.flow = flow
        self.peer: Side | None = None
        self.pending: bytes | memoryview = b""
        """Waits until this socket can be written."""
        self.pipe: Pipe | None = None
        """Holds what was spliced from this side and not yet to the other."""
        self.blocked = False
        """Something waits until this socket can be written: `pending`, or what is in the peer's pipe."""
        self.write_watched = False
        self.readable = False
        self.ended = False
        """The peer's end of stream or error was announced: read until it is found."""
        self.last_words = False
        """It was the end of stream: what is in the socket is all there will be."""
        self.eof = False
        self.full_reads = 0
        self.bulk = False
        """This side has said much: splice it when there is a pipe."""

    def on_event(self, mask: int) -> None:
        """Note what is ready and move what can be moved."""
        peer = self.peer
        if mask == _IN and peer is not None and not (self.eof or self.bulk or peer.blocked):
            # By far the most frequent: one short message.
            self.readable = True
            if _move(self, peer):
                pump(self, peer)
            return
        if mask & _READABLE:
            self.readable = True
            if mask & _ENDED:
                self.ended = True
                self.last_words = not mask & _UNCERTAIN
        if peer is None:
            self.flow.on_dialling(self, mask)
            return
        if mask & _ERROR and (self.eof or peer.blocked):
            # A reset that reading would not find: nothing is read from this side any more, or not now.
            self.flow.abort()
            return
        if mask & _OUT and self.blocked and self.flush() and peer.readable and not peer.eof:
            pump(peer, self)
        if self.readable and not self.eof and self.peer is not None:
            pump(self, peer)

    def on_fault(self) -> None:
        """Give the flow up, unless it was closed before the error."""
        if hasattr(self, "flow"):
            self.flow.abort()

    def block(self) -> None:
        """This socket takes no more: be told when it does."""
        self.blocked = True
        if not self.write_watched:
            self.write_watched = True
            self.flow.backends.loop.watch_writes(self)

    def flush(self) -> bool:
        """Write what waits; True when nothing is left."""
        try:
            if self.pending:
                sent = self.sock.send(self.pending, SEND)
                if sent < len(self.pending):
                    self.pending = memoryview(self.pending)[sent:]
                    self.block()
                    return False
                self.pending = b""
            pipe = self.peer.pipe if self.peer is not None else None
            if pipe is not None and pipe.level and not pipe.drain(self.fd):
                self.block()
                return False
        except BlockingIOError:
            self.block()
            return False
        except OSError:
            self.flow.broken(self)
            return False
        self.blocked = False
        return True

    def give_pipe_back(self) -> None:
        """Return the pipe, with what is in it, if one is held."""
        if self.pipe is not None:
            self.flow.backends.pipes.give(self.pipe)
            self.pipe = None


def pump(source: Side, target: Side) -> None:
    """Move bytes from one side to the other until one of them has enough, or the turn is over."""
    if target.blocked:
        return
    if source.bulk and _splice(source, target):
        return
    for _ in _TURNS:
        if not _move(source, target):
            return
        if source.bulk:
            break
    source.flow.backends.loop.again(source)


def _move(source: Side, target: Side) -> bool:
    """Move one buffer; whether there may be more to be moved at once."""
    try:
        count = source.sock.recv_into(buffer, BUFFER_BYTES, RECEIVE)
    except BlockingIOError:
        source.readable = False
        return False
    except OSError:
        source.flow.abort()
        return False
    if not count:
        source.flow.half_closed(source, target)
        return False
    source.tally.count += count
    last = source.last_words and count < BUFFER_BYTES
    try:
        sent = target.sock.send(view[:count], _SEND_LAST if last else SEND)
    except BlockingIOError:
        sent = 0
    except OSError:
        source.flow.broken(target)
        return False
    if sent < count:
        target.pending = bytes(view[sent:count])
        target.block()
        return False
    if count == BUFFER_BYTES:
        source.full_reads += 1
        if source.full_reads == BULK_READS:
            _make_bulk(source, target)
        return True
    if last:
        source.flow.half_closed(source, target)
        return False
    source.readable = source.ended
    return source.ended


def _make_bulk(source: Side, target: Side) -> None:
    """Sockets are asked not to wait call by call; splice looks at the descriptor instead."""
    source.bulk = True
    os.set_blocking(source.fd, False)
    os.set_blocking(target.fd, False)


def _splice(source: Side, target: Side) -> bool:
    """The same without copying; False, with nothing done, when there is no pipe."""
    pipe = source.pipe = source.pipe or source.flow.backends.pipes.take()
    if pipe is None:
        return False
    for _ in _TURNS:
        try:
            count = pipe.fill(source.fd)
        except BlockingIOError:
            source.readable = False
            source.give_pipe_back()
            return True
        except OSError:
            source.flow.abort()
            return True
        if not count:
            source.give_pipe_back()
            source.flow.half_closed(source, target)
            return True
        source.tally.count += count
        try:
            taken = pipe.drain(target.fd)
        except OSError:
            source.flow.broken(target)
            return True
        if not taken:
            target.block()
            return True
    source.flow.backends.loop.again(source)
    return True
