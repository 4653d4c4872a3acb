"""Hears from the kernel when something of ours may have gone: a route, the tunnel, its entries, a link they need, or
rules (over nf_tables: after `firewall-cmd --reload`, or when somebody flushes a table).

Only the fixed parts of messages are read (rtnetlink(7)); what it means is looked up by the one who waits.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Collection

from client import rule_news
from client.netlink import heard, messages

_GROUPS = 0x1 | 0x4 | 0x40  # RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_ROUTE
_INDEX = struct.Struct("=i")
_NEWLINK, _DELLINK, _DELROUTE, _DELNEIGH = 16, 17, 25, 29
_OF_LINKS = (_NEWLINK, _DELLINK, _DELNEIGH)
_INDEX_AT = 4  # in ifinfomsg and in ndmsg
_PROTOCOL_AT = 5  # in rtmsg


def concerns(data: bytes, protocol: int, links: Collection[int]) -> bool:
    """Whether a datagram tells of a deleted route of this protocol, or of a link of these indexes."""
    for kind, body in messages(data):
        if kind == _DELROUTE and body[_PROTOCOL_AT : _PROTOCOL_AT + 1] == bytes([protocol]):
            return True
        if (
            kind in _OF_LINKS
            and len(body) >= _INDEX_AT + _INDEX.size
            and _INDEX.unpack_from(body, _INDEX_AT)[0] in links
        ):
            return True
    return False


class Monitor:
    """``wait`` sleeps until something of ours has changed, ``wake`` was called from any thread, or time is up."""

    def __init__(self, protocol: int, chains: Collection[str]) -> None:
        self._protocol = protocol
        self._chains = frozenset(chain.encode() for chain in chains)
        self._socket: socket.socket | None = None
        self._rules: socket.socket | None = None
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def listen(self, *, rules: bool) -> None:
        """From now on; before, only ``wake`` ends a wait. ``rules``: to changes of nf_tables too. Raises OSError."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            self._socket.bind((0, _GROUPS))
        if rules and self._rules is None:
            self._rules = rule_news.listen()

    def wake(self) -> None:
        try:
            os.write(self._write, b"x")
        except BlockingIOError:
            pass  # it will wake for what is in the pipe already

    def wait(self, timeout_s: float | None, links: Collection[int]) -> None:
        poller = select.poll()
        poller.register(self._read, select.POLLIN)
        for sock in (self._socket, self._rules):
            if sock is not None:
                poller.register(sock, select.POLLIN)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while ready := poller.poll(None if deadline is None else max((deadline - time.monotonic()) * 1000, 0)):
            if any(fd == self._read for fd, _ in ready):
                os.read(self._read, 4096)
                return
            if self._heard(links):
                return

    def _heard(self, links: Collection[int]) -> bool:
        judges = (
            (self._socket, lambda data: concerns(data, self._protocol, links)),
            (self._rules, lambda data: rule_news.concerns(data, self._chains)),
        )
        # All are read, whatever the first has to tell.
        return sum(heard(sock, judge) for sock, judge in judges if sock is not None) > 0

    def close(self) -> None:
        for sock in (self._socket, self._rules):
            if sock is not None:
                sock.close()
        os.close(self._read)
        os.close(self._write)
