"""The kernel's word that rules or routes of ours may have gone, so that nobody has to look again and again.

Heard are deletions: in chains of nf_tables (iptables over it too), of routes of ours, and of routing rules. What it
means is looked up by the one who is told. Legacy iptables and sets of addresses are not told of.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Collection

from client import rule_news
from client.netlink import heard, messages
from netproxy.portals.routes import ROUTE_PROTOCOL

_GROUPS = 0x40 | 0x80  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV4_RULE
_DELROUTE, _DELRULE = 25, 33
_PROTOCOL_AT = 5  # in rtmsg
_OURS = bytes([int(ROUTE_PROTOCOL)])
_JOIN_S = 10.0


class Losses:
    """A thread that calls `told` when something may have gone. In the network namespace of whoever calls `start`."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._chains: frozenset[bytes] = frozenset()
        self._rules: socket.socket | None = None
        self._routes: socket.socket | None = None
        self._stop = -1
        self._thread = threading.Thread(target=self._run, name="netproxy-losses", daemon=True)

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""
        return self._thread.is_alive()

    def start(self, chains: Collection[str]) -> None:
        """Listen from now on for what is deleted in these chains. Raises OSError."""
        self._chains = frozenset(chain.encode() for chain in chains)
        self._rules = rule_news.listen()
        try:
            self._routes = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
            self._routes.bind((0, _GROUPS))
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            self._close()
            raise
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        if self.heard:
            os.eventfd_write(self._stop, 1)
            self._thread.join(_JOIN_S)
        self._close()

    def _close(self) -> None:
        for sock in (self._rules, self._routes):
            if sock is not None:
                sock.close()
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1

    def _run(self) -> None:
        assert self._rules is not None
        assert self._routes is not None
        judges = (
            (self._rules, lambda data: rule_news.concerns(data, self._chains)),
            (self._routes, _concerns),
        )
        poll = select.poll()
        for descriptor in (self._rules.fileno(), self._routes.fileno(), self._stop):
            poll.register(descriptor, select.POLLIN)
        while not any(descriptor == self._stop for descriptor, _events in poll.poll()):
            if sum(heard(sock, judge) for sock, judge in judges):  # all are read, whatever the first has to tell
                self._told()


def _concerns(data: bytes) -> bool:
    """Whether a datagram of rtnetlink(7) tells of a deleted route of ours, or of a routing rule."""
    return any(
        kind == _DELRULE or (kind == _DELROUTE and body[_PROTOCOL_AT : _PROTOCOL_AT + 1] == _OURS)
        for kind, body in messages(data)
    )
