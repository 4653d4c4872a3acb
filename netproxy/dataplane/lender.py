"""What the kernel has to know so that TCP connections can be lent to it: maps, and a program that is asked per segment.

A socket that is lent is in `targets` under the cookie of the one it sends for, and then in `active`, to which the
program is attached. The program passes what a socket receives to the other one, as long as the direction's allowance
lasts; what comes after stays with the socket, to be read from it as ever, until whoever lent it has taken all of that
and says so. So what the kernel holds for a reader that does not read is bounded, and no byte overtakes another.

The program tells of the first bytes that it leaves to a socket by a record in a ring, with the direction's number.

The figures of a direction lie in memory shared with the kernel. Each has one writer:
`PASSED_ON` and `KEPT` (bytes) the program, `ALLOWED` (of `PASSED_ON`) and `TAKEN` (of `KEPT`) the lender.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import mmap
import os
import platform
import re
import struct
from collections import deque
from typing import Protocol

from netproxy.dataplane import bpf
from netproxy.dataplane.bpf import Code, Flag, Map, Register

log = logging.getLogger(__name__)

OLDEST = (6, 6)
"""Before, the kernel lost or stalled data of such sockets now and then (fixed in May 2023 for 6.4, and once more)."""
DIRECTIONS = 16_384
"""Lent at once, at most; two a connection."""
PATIENCE = 16
"""Handing a connection over costs what copying a few messages does."""
RESTING = 64
"""Directions that ended rest for so many others, until no processor works for them any more."""
PASSED_ON, KEPT, ALLOWED, TAKEN = range(4)
"""Places of the figures of a direction."""
_FIGURES = 4
_CELL_BYTES = 8 * _FIGURES
_COOKIE_BYTES = 8

_LOOKUP, _COOKIE, _REDIRECT, _TELL = 1, 46, 72, 130
"""Helpers: bpf_map_lookup_elem, bpf_get_socket_cookie, bpf_sk_redirect_hash, bpf_ringbuf_output."""
_DROP, _PASS = 0, 1
_LENGTH = 0
"""struct __sk_buff: len."""


class Lent(Protocol):
    """A direction that is lent."""

    def go_on(self) -> None:
        """Do what is left to us."""


class Ring:
    """Numbers that the program tells (BPF_MAP_TYPE_RINGBUF): it writes the place up to which there are some, we the
    place up to which we have read. There is room for one of each direction, and one is told no more than once until
    its allowance is renewed."""

    _BYTES = DIRECTIONS * 16
    _RECORD = struct.Struct("=IIII")
    _BUSY = 1 << 31

    def __init__(self) -> None:
        self.file = io.FileIO(bpf.create_map(Map.RING, key_bytes=0, value_bytes=0, entries=self._BYTES))
        page = mmap.PAGESIZE
        self._read_to = memoryview(mmap.mmap(self.file.fileno(), page)).cast("Q")
        told = mmap.mmap(self.file.fileno(), page + 2 * self._BYTES, prot=mmap.PROT_READ, offset=page)
        self._told_to = memoryview(told)[:page].cast("Q")
        self._records = memoryview(told)[page:]

    def take(self) -> list[int]:
        """The numbers that were told since the last time."""
        found, place, end = [], self._read_to[0], self._told_to[0]
        while place < end:
            length, _, number, _ = self._RECORD.unpack_from(self._records, place % self._BYTES)
            if length & self._BUSY:
                break  # it is being written, and told of then
            found.append(number)
            place += self._RECORD.size
        self._read_to[0] = place
        return found


class Lender:
    """Maps and program of one data plane; what is in them goes with the process. Raises OSError."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.patience = patience
        """Messages of a side until it is lent."""
        _check_release(platform.release())
        self._fds: list[int] = []
        self.ring: Ring | None = None
        try:
            self._build()
        except OSError:
            self.close()
            raise

    def _build(self) -> None:
        self.targets = self._map(Map.SOCKETS, _COOKIE_BYTES, 4)
        self.active = self._map(Map.SOCKETS, _COOKIE_BYTES, 4)
        self._numbers = self._map(Map.HASH, _COOKIE_BYTES, 4, Flag.GROWS)
        cells = self._map(Map.ARRAY, 4, _CELL_BYTES, Flag.MAPPED)
        self.ring = Ring()
        text = program(self.targets, self._numbers, cells, self.ring.file.fileno())
        self._fds.append(bpf.load_verdict(text, name="netproxy_lent"))
        bpf.attach_verdict(self.active, self._fds[-1])
        self.lent = 0
        """Directions lent since the start."""
        self.directions: dict[int, Lent] = {}
        """Those that are lent now, by number."""
        self._cells = memoryview(mmap.mmap(cells, DIRECTIONS * _CELL_BYTES)).cast("Q")
        self._free = deque(range(DIRECTIONS))

    def number(self, cookie: bytes) -> int | None:
        """A number for what the socket of this cookie receives, its figures zero; None: there are none left."""
        if len(self._free) <= RESTING:
            return None
        number = self._free.popleft()
        self.cell(number)[:] = memoryview(bytes(_CELL_BYTES)).cast("Q")
        try:
            bpf.put(self._numbers, cookie, struct.pack("=I", number))
        except OSError:
            self._free.append(number)
            raise
        return number

    def cell(self, number: int) -> memoryview:
        """The figures of a direction."""
        return self._cells[number * _FIGURES : (number + 1) * _FIGURES]

    def give_back(self, number: int, cookie: bytes) -> None:
        """The socket of this cookie is about to be closed."""
        with contextlib.suppress(FileNotFoundError):
            bpf.drop(self._numbers, cookie)
        self._free.append(number)

    def close(self) -> None:
        """Release the maps and the program; sockets that are lent keep theirs until they are closed."""
        for descriptor in self._fds:
            os.close(descriptor)
        self._fds.clear()
        if self.ring is not None:
            self.ring.file.close()

    def _map(self, kind: Map, key_bytes: int, value_bytes: int, flag: Flag = Flag.NONE) -> int:
        self._fds.append(
            bpf.create_map(kind, key_bytes=key_bytes, value_bytes=value_bytes, entries=DIRECTIONS, flag=flag)
        )
        return self._fds[-1]


def program(targets: int, numbers: int, cells: int, ring: int) -> bytes:
    """The program: what becomes of a segment that an active socket has received."""
    r0, r1, r2, r3, r4, r6, r7, r8, r9, r10 = (Register(number) for number in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10))
    cookie, number = -8, -12
    code = Code()
    code.copy(r6, r1)
    code.load(r7, r6, _LENGTH, words=1)
    code.if_zero(r7, "drop")  # an end of stream without data: passed on it would disturb the other
    code.call(_COOKIE)
    code.store(r10, cookie, r0)
    code.address(r2, cookie)
    code.map(r1, numbers)
    code.call(_LOOKUP)
    code.if_zero(r0, "pass")
    code.load(r1, r0, 0, words=1)
    code.store(r10, number, r1, words=1)
    code.address(r2, number)
    code.map(r1, cells)
    code.call(_LOOKUP)
    code.if_zero(r0, "pass")
    code.copy(r8, r0)
    code.load(r1, r8, 8 * KEPT)
    code.load(r2, r8, 8 * TAKEN)
    code.if_differ(r1, r2, "keep")  # what was kept goes first
    code.load(r1, r8, 8 * PASSED_ON)
    code.add(r1, r7)
    code.load(r2, r8, 8 * ALLOWED)
    code.if_greater(r1, r2, "keep")
    code.store(r8, 8 * PASSED_ON, r1)
    code.copy(r1, r6)
    code.map(r2, targets)
    code.address(r3, cookie)
    code.set(r4, 0)
    code.call(_REDIRECT)
    code.exit()
    code.label("keep")
    code.copy(r9, r7)
    code.fetch_add(r8, 8 * KEPT, r9)
    code.load(r2, r8, 8 * TAKEN)  # only now: the lender writes it and looks at what is kept afterwards
    code.if_differ(r2, r9, "pass")
    code.map(r1, ring)
    code.address(r2, number)
    code.set(r3, 4)
    code.set(r4, 0)
    code.call(_TELL)
    code.label("pass")
    code.exit(_PASS)
    code.label("drop")
    code.exit(_DROP)
    return code.bytes()


def _check_release(release: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", release)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise OSError(errno.EOPNOTSUPP, f"Linux {release} is older than {wanted}, whose sockmap is sound")
