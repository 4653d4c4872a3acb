"""Keeps the address of the names in place: put back as soon as the kernel tells that it was taken away.

Told is of addresses alone (rtnetlink(7)); the interface set down, and what was lost on the way, is found by a look
now and then.
"""

import ipaddress
import logging
import os
import select
import socket
import threading

from client.netlink import heard, messages
from clusterdns.link import LinkError, ensure_address

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""Between two looks that nobody asked for."""
PAUSE_S = 1.0
"""After each look: who takes the address away again and again costs no more than this."""
_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_DELADDR = 21
_JOIN_S = 10.0


class AddressKeeper:
    """A thread that looks after one address, in the network namespace of whoever makes this. Raises OSError."""

    def __init__(self, interface: str, address: str) -> None:
        self._interface, self._address = interface, address
        self._packed = ipaddress.ip_address(address).packed
        self._news = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        try:
            self._news.bind((0, _GROUPS))
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            self._news.close()
            raise
        self._thread = threading.Thread(target=self._run, name="dns-address", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; the address stays."""
        os.eventfd_write(self._stop, 1)
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        if not self._thread.is_alive():  # it polls both, and a number that is free may be another file's next
            self._news.close()
            os.close(self._stop)

    def _run(self) -> None:
        stop = select.poll()
        stop.register(self._stop, select.POLLIN)
        both = select.poll()
        both.register(self._stop, select.POLLIN)
        both.register(self._news, select.POLLIN)
        while not stop.poll(PAUSE_S * 1000):
            ready = both.poll(LOOK_S * 1000)
            if not ready or heard(self._news, self._concerns):
                self._look()

    def _concerns(self, data: bytes) -> bool:
        """Whether the address may be gone: its bytes are in a message of a removal."""
        return any(kind == _DELADDR and self._packed in body for kind, body in messages(data))

    def _look(self) -> None:
        try:
            log.debug("address checked: %s", ensure_address(self._interface, self._address))
        except LinkError as error:
            log.error("address missing error=%s", error)
