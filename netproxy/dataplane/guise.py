"""Going to an endpoint with the client's own address, so that the endpoint sees its client.

Only towards pods of this node, whose answers pass here, and only for clients that are neither this node nor a pod of
it: those would be answered past us. Where it does not work the address of the node is used.
"""

from __future__ import annotations

import ipaddress
import logging
import socket

log = logging.getLogger(__name__)

IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT = 19, 24
"""linux/in.h; not exported by the socket module of Python 3.11."""
REMEMBER_S = 30.0
"""How long it is taken for granted that a client is not this node."""
MAX_KNOWN = 16_384


def possible() -> bool:
    """Whether this program may use addresses that are not this node's. Kernels before 4.2 lack a part of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        except OSError as error:
            log.info("pods see the node instead of their clients error=%s", error)
            return False
    return True


class Guise:
    """Which clients' addresses can be shown to which endpoints. Only the loop's thread uses it."""

    def __init__(self) -> None:
        self._pods: tuple[ipaddress.IPv4Network, ...] = ()
        self._here: dict[str, bool] = {}
        """By an endpoint's address: whether it is a pod of this node."""
        self._strangers: dict[str, tuple[bool, float]] = {}
        """By a client's address: whether it is neither this node nor a pod of it, and until when that is known."""

    def show(self, pods: tuple[ipaddress.IPv4Network, ...]) -> None:
        """The addresses of this node's pods, which see their clients from now on; none: nobody does."""
        self._pods = pods
        self._here.clear()
        self._strangers.clear()

    def wear(self, sock: socket.SocketType, client: str, endpoint: str, *, now: float) -> None:
        """Give a socket that is about to connect the client's address, when the endpoint is to see it."""
        if not self._pods or not self._is_here(endpoint) or not self._is_stranger(client, now):
            return
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((client, 0))
        except OSError as error:
            log.warning("client's address not to be had client=%s error=%s", client, error)

    def _is_here(self, endpoint: str) -> bool:
        found = self._here.get(endpoint)
        if found is None:
            if len(self._here) >= MAX_KNOWN:
                self._here.clear()
            found = self._here[endpoint] = self._is_pod(endpoint)
        return found

    def _is_stranger(self, client: str, now: float) -> bool:
        known = self._strangers.get(client)
        if known is not None and now < known[1]:
            return known[0]
        if len(self._strangers) >= MAX_KNOWN:
            self._strangers.clear()
        found = not self._is_pod(client) and not _is_local(client)
        self._strangers[client] = (found, now + REMEMBER_S)
        return found

    def _is_pod(self, address: str) -> bool:
        return any(ipaddress.IPv4Address(address) in network for network in self._pods)


def _is_local(address: str) -> bool:
    """Whether the address is this node's: only then a socket may have it just so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True
