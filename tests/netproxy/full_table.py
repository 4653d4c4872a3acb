"""Fills the kernel's table of connections of one network namespace, as far as the host's limit lets it.

The limit (`nf_conntrack_max`) is the host's, what is counted against it is the namespace's own: others do not go
without.
Entries are made over nfnetlink, as `conntrack -I` does, and are of the kind that the kernel does not drop for others.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from tests.netproxy.networks import Namespace

LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")
COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_NEW, _DELETE = 0x100, 0x102  # NFNL_SUBSYS_CTNETLINK and the message
_FLAGS = {_NEW: 0x601, _DELETE: 0x1}  # NLM_F_REQUEST, NLM_F_CREATE and NLM_F_EXCL
_NESTED = 0x8000
_STATUS = 0x2 | 0x4 | 0x8  # IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
_LIFE_S = 600
_AT_ONCE = 500


class FullTable:
    """The table of a namespace, with entries of ours from 100.64.0.0 on."""

    def __init__(self, node: Namespace) -> None:
        self._made = 0
        with node.inside():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 12)
            self._socket.bind((0, 0))
        self._node = node

    def fill(self) -> None:
        """Until there is no room for another."""
        while (room := self.room()) > 0:
            numbers = range(self._made, self._made + room)
            self._send(_NEW, numbers)
            self._made += room

    def room(self) -> int:
        """How many entries there is room for."""
        with self._node.inside():
            return int(LIMIT.read_text()) - int(COUNT.read_text())

    def free(self, count: int) -> None:
        """Make room for so many."""
        self._send(_DELETE, range(self._made - count, self._made))
        self._made -= count

    def close(self) -> None:
        """Take all out."""
        self.free(self._made)
        self._socket.close()

    def _send(self, kind: int, numbers: Iterable[int]) -> None:
        batch: list[bytes] = []
        for number in numbers:
            batch.append(_message(kind, number))
            if len(batch) == _AT_ONCE:
                self._socket.send(b"".join(batch))
                batch.clear()
        if batch:
            self._socket.send(b"".join(batch))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _tuple(kind: int, source: bytes, target: bytes) -> bytes:
    ip = _attribute(1, source) + _attribute(2, target)
    proto = _attribute(1, bytes((socket.IPPROTO_UDP,))) + _attribute(2, b"\1\1") + _attribute(3, b"\1\1")
    return _attribute(kind | _NESTED, _attribute(1 | _NESTED, ip) + _attribute(2 | _NESTED, proto))


def _message(kind: int, number: int) -> bytes:
    """One entry of UDP, from an address that nobody has."""
    source, target = struct.pack("!I", 0x64400000 + number), b"\xc6\x12\0\1"
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + _tuple(1, source, target)
    if kind == _NEW:
        body += _tuple(2, target, source)
        body += _attribute(3, struct.pack("!I", _STATUS)) + _attribute(7, struct.pack("!I", _LIFE_S))
    return struct.pack("=IHHII", 16 + len(body), kind, _FLAGS[kind], 0, 0) + body
