"""TCP flows of many short messages, lent to the kernel (sockmap): it passes them on while this program sleeps.

A direction is lent with an allowance of bytes, not more than the other side's socket takes while its peer reads
nothing. When that is used up, what comes next is kept for us: it is copied as ever, with back-pressure, and the
allowance is renewed when the messages are short and the reader keeps up. So bulk data and slow readers are ours.

Rules kept. Nothing is written to a side before all that the kernel was to pass on is in its socket: byte counts of the
kernel tell (tcp(7), TCP_INFO). An end of stream or an error is looked at when all that came before it is accounted
for. A socket is never taken back from the kernel before it is closed: what arrives in that moment would be lost.
"""

from __future__ import annotations

import logging
import select
import socket
import struct

from netproxy.dataplane import bpf
from netproxy.dataplane.counters import Tally
from netproxy.dataplane.lender import ALLOWED, KEPT, PASSED_ON, TAKEN, Lender, Ring
from netproxy.dataplane.sides import BUFFER_BYTES, ENDED, RECEIVE, SEND, TURNS, Owner, Side, buffer, view
from netproxy.dataplane.tcp_info import tcp_info

log = logging.getLogger(__name__)

ALLOWANCE_BYTES = 32 * 1024
"""Fits into the room for sending that a TCP socket of Linux has from its beginning."""
SHORT_BYTES = 4096
"""A turn that moved more is no short message."""
FIRST_WAIT_S, LAST_WAIT_S = 0.001, 1.0
ERROR_WAITS = 8
"""Looks until an error is passed on although something before it is still under way."""

_SO_COOKIE = 57
_IN, _OUT, _PRI, _ERR = select.EPOLLIN, select.EPOLLOUT, select.EPOLLPRI, select.EPOLLERR


class OwnTally(Tally):
    """A service's sum of bytes, and the part of one side in it."""

    __slots__ = ("own", "service")

    def __init__(self, service: Tally) -> None:
        self.service = service
        self.own = 0

    @property
    def count(self) -> int:
        """Bytes read from this side."""
        return self.own

    @count.setter
    def count(self, value: int) -> None:
        self.service.count += value - self.own
        self.own = value


class Lendable(Side):
    """A side that is lent when it has said enough short messages."""

    __slots__ = ("heard", "lent")

    tally: OwnTally

    def __init__(self, sock: socket.SocketType, flow: Owner, tally: Tally) -> None:
        super().__init__(sock, flow, OwnTally(tally))
        self.heard = 0
        """Messages since it was tried to lend it."""
        self.lent: Direction | None = None

    def on_event(self, mask: int) -> None:
        """As a side that is not lent, or what the kernel leaves to us."""
        if self.lent is not None:
            self.lent.on_event(mask)
            return
        Side.on_event(self, mask)
        self.heard += 1
        peer = self.peer
        if mask == _IN and isinstance(peer, Lendable):
            lender = self.flow.backends.lender
            if lender is not None and self.heard >= lender.patience and _is_quiet(self) and _is_quiet(peer):
                self.heard = 0
                lend(self, peer, lender)

    def take_up(self, mask: int) -> None:
        """What is left of a side's events when it is lent."""
        Side.on_event(self, mask)

    def fail(self) -> None:
        """What the kernel has of this side's words goes first."""
        if self.lent is None or self.lent.is_done_before_reset():
            super().fail()

    def end(self) -> None:
        """The loan ends with the socket."""
        super().end()
        if self.lent is not None:
            self.lent.release()


def _is_quiet(side: Lendable) -> bool:
    """Whether nothing waits here that could be overtaken, and no bulk data passed."""
    busy = side.lent or side.blocked or side.pending or side.eof or side.ended or side.full_reads
    return not busy


class Told:
    """Has what the program tells looked at."""

    def __init__(self, lender: Lender, ring: Ring) -> None:
        self.sock = ring.file
        self.fd = ring.file.fileno()
        self._lender, self._ring = lender, ring

    def on_event(self, mask: int) -> None:  # noqa: ARG002 (there is one kind of event)
        """Go on with the directions that have something for us."""
        for number in self._ring.take():
            direction = self._lender.directions.get(number)
            if direction is not None:
                direction.go_on()

    def on_fault(self) -> None:
        """Stay: others wait to be told."""


def lend(first: Lendable, second: Lendable, lender: Lender) -> None:
    """Lend both directions. What does not work is left: a direction that is not active is copied as before."""
    directions = [Direction(first, second, lender), Direction(second, first, lender)]
    begun: list[Direction] = []
    try:
        for direction in directions:
            if not direction.begin():
                break
            begun.append(direction)
        else:
            # Both are to be found before one is looked for.
            for direction in directions:
                direction.activate()
                begun.remove(direction)
    except OSError as error:
        log.debug("not lent error=%s", error)
    for direction in begun:
        direction.release()


class Direction:
    """What one side says to the other, lent."""

    __slots__ = (
        "cell",
        "cookie",
        "counted",
        "ended",
        "failing",
        "lender",
        "number",
        "ours",
        "read_before",
        "sent_before",
        "source",
        "taken",
        "target",
        "wait_s",
        "waiting",
        "waits",
    )

    def __init__(self, source: Lendable, target: Lendable, lender: Lender) -> None:
        self.source, self.target, self.lender = source, target, lender
        self.cookie = source.sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
        self.number = -1
        self.ended = 0
        """Flags of the end or error that was announced."""
        self.counted = 0
        """Of the bytes passed on, how many the service's counter has."""
        self.ours = False
        """All that the kernel was to pass on is in the target's socket, and no more until we say so."""
        self.taken = 0
        """Of the bytes kept for us, how many we have read."""
        self.failing = False
        """Nothing can be written to the source any more, and what it said before is still under way."""
        self.waiting, self.wait_s, self.waits = False, FIRST_WAIT_S, 0
        self.read_before = self.sent_before = 0

    def begin(self) -> bool:
        """Have the target found by what the source receives. False: there is no room. Raises OSError."""
        number = self.lender.number(self.cookie)
        if number is None:
            return False
        self.number, self.cell = number, self.lender.cell(number)
        self.cell[ALLOWED] = ALLOWANCE_BYTES
        bpf.put(self.lender.targets, self.cookie, struct.pack("=I", self.target.fd))
        self.read_before = self.source.tally.own
        self.sent_before = tcp_info(self.target.sock).queued_bytes
        return True

    def activate(self) -> None:
        """Hand over. Raises OSError, and then nothing is."""
        bpf.put(self.lender.active, self.cookie, struct.pack("=I", self.source.fd))
        self.source.lent = self
        self.lender.lent += 1
        self.lender.directions[self.number] = self
        loop, source = self.source.flow.backends.loop, self.source
        # Else each message would wake us.
        loop.watch_ends(source, writes=source.write_watched)
        self._kick()

    def release(self) -> None:
        """Forget it: the source is about to be closed, or was not handed over."""
        if self.number >= 0:
            self._count()
            self.lender.directions.pop(self.number, None)
            self.lender.give_back(self.number, self.cookie)
            self.number = -1

    def is_done_before_reset(self) -> bool:
        """Whether all that the source said is in the target's socket, or was waited for long enough; else wait."""
        self.failing = not (self.ours or self._is_ours() or self.waits >= ERROR_WAITS)
        if self.failing:
            self._later()
        return not self.failing

    def on_event(self, mask: int) -> None:
        """The source has something for us: data that were kept, its end, an error, room to write."""
        source = self.source
        self.ended |= mask & ENDED
        if mask & _ERR and (source.eof or self.target.blocked):
            source.flow.abort()
            return
        if mask & _OUT and source.blocked and source.flush():
            peer = source.peer
            if isinstance(peer, Lendable) and peer.lent is not None:
                peer.lent.go_on()
        self.go_on()

    def go_on(self) -> None:
        """Do what is left to us, as far as it can be done now."""
        source, target, cell = self.source, self.target, self.cell
        if self.number < 0 or source.eof or target.blocked:
            return
        if self.failing:
            source.fail()
            return
        if cell[KEPT] == self.taken and not self.ended:
            return
        if not self.ours and not self._is_ours():
            self._later()
            return
        before = self.taken
        self._copy()
        if self.number < 0 or target.blocked:
            return
        if self.taken < cell[KEPT]:
            self._later()
        elif self.ended:
            self._end()
        elif self.taken - before <= SHORT_BYTES and tcp_info(target.sock).keeps_up:
            self._renew()
        else:
            source.flow.backends.loop.watch_reads(source, writes=source.write_watched)

    def _is_ours(self) -> bool:
        """Whether the kernel has passed on all that it was to."""
        found = tcp_info(self.target.sock)
        done = found.queued_bytes - self.sent_before == self.cell[PASSED_ON] + self.taken
        self.ours = done or found.is_closed
        if self.ours:
            self.wait_s, self.waits = FIRST_WAIT_S, 0
            self._count()
        return self.ours

    def _copy(self) -> None:
        """Move what was kept, so much and not more: the rest is counted first."""
        source, target, cell = self.source, self.target, self.cell
        for _ in range(TURNS):
            wanted = min(BUFFER_BYTES, cell[KEPT] - self.taken)
            try:
                count = source.sock.recv_into(buffer, wanted, RECEIVE) if wanted else 0
            except BlockingIOError:
                return
            except OSError:
                source.flow.abort()
                return
            if not count:
                return
            source.tally.count += count
            self.taken += count
            try:
                sent = target.sock.send(view[:count], SEND)
            except BlockingIOError:
                sent = 0
            except OSError:
                target.fail()
                return
            if sent < count:
                target.pending = bytes(view[sent:count])
                target.block()
                return

    def _end(self) -> None:
        """Pass the end on, or the error, if all is there that came before."""
        done = self.read_before + self.cell[PASSED_ON] + self.cell[KEPT]
        if tcp_info(self.source.sock).is_all_received(done) or (self.ended & _ERR and self.waits >= ERROR_WAITS):
            # Priority: no read is taken for the last before it says so.
            self.source.take_up(self.ended | _IN | _PRI)
            return
        self.ours = False
        self._kick()
        self._later()

    def _renew(self) -> None:
        """Let the kernel pass on again."""
        source, cell = self.source, self.cell
        self.ours = False
        cell[ALLOWED] = cell[PASSED_ON] + ALLOWANCE_BYTES
        cell[TAKEN] = self.taken  # the program waits for this one
        source.flow.backends.loop.watch_ends(source, writes=source.write_watched)
        # What it kept just now it has not told of. (The system call above is a barrier between the two figures.)
        if cell[KEPT] != self.taken:
            self._later()

    def _kick(self) -> None:
        """Have the program look at what was received before it was asked."""
        self.source.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _later(self) -> None:
        """Look again: nothing tells of data that were passed on."""
        if self.waiting:
            return
        self.waiting = True
        loop = self.source.flow.backends.loop
        loop.at(loop.now + self.wait_s, self._look)
        self.waits += 1
        self.wait_s = min(self.wait_s * 2, LAST_WAIT_S)

    def _look(self) -> None:
        self.waiting = False
        self.go_on()

    def _count(self) -> None:
        passed_on = self.cell[PASSED_ON]
        self.source.tally.service.count += passed_on - self.counted
        self.counted = passed_on
