"""Ports that stay open over a restart: sockets are given to systemd to keep, and come back with the next start.

systemd keeps them in its file descriptor store (`FileDescriptorStoreMax=` of the unit), also when this program is
killed: clients that come in between wait in a socket's queue and are not refused. What the next start finds is told by
LISTEN_FDS (sd_listen_fds(3), sd_pid_notify_with_fds(3)). A parent that speaks the same protocol does as well.

A socket is known by its protocol and port, whatever its name; only listening TCP and bound UDP sockets are taken.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, MutableMapping

from netproxy.dataplane.sockets import open_port, open_preferred
from netproxy.services import Protocol

log = logging.getLogger(__name__)

FIRST_FD = 3
SEND_TIMEOUT_S = 1.0
_Key = tuple[Protocol, int]


class Handover:
    """What was handed to this start, and whom to hand sockets to (NOTIFY_SOCKET); by default nothing and nobody.

    For one thread.
    """

    def __init__(self, inherited: Iterable[socket.socket] = (), *, keeper: str = "") -> None:
        self._keeper = keeper
        self._inherited: dict[_Key, socket.socket] = {}
        for sock in inherited:
            key = _key(sock)
            if key is None or key in self._inherited:
                sock.close()
            else:
                self._inherited[key] = sock

    def open(self, protocol: Protocol, port: int, *, exactly: bool) -> socket.socket:
        """The socket for a port, from the last start or a new one; kept from now on. Raises OSError.

        Not `exactly`: another port does, if this one is 0 or taken.
        """
        sock = self._inherited.pop((protocol, port), None)
        if sock is not None:
            log.info("port taken over protocol=%s port=%d", protocol.value, port)
            return sock  # it is kept already
        sock = open_port(protocol, port) if exactly else open_preferred(protocol, port)
        if self._keeper:
            # Without polling: a socket that somebody else uses too tells systemd nothing of itself.
            self._tell(f"FDSTORE=1\nFDNAME={_name(_key_of(sock))}\nFDPOLL=0", sock)
        return sock

    def forget(self, protocol: Protocol, port: int) -> None:
        """The port is not wanted any more: it shall not be kept."""
        if self._keeper:
            self._tell(f"FDSTOREREMOVE=1\nFDNAME={_name((protocol, port))}")

    def settle(self) -> None:
        """All that is wanted was taken: close the rest."""
        for key, sock in self._inherited.items():
            log.info("port not wanted any more protocol=%s port=%d", key[0].value, key[1])
            sock.close()
            self.forget(*key)
        self._inherited.clear()

    def _tell(self, message: str, *socks: socket.socket) -> None:
        address = "\0" + self._keeper[1:] if self._keeper.startswith("@") else self._keeper
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.connect(address)
                socket.send_fds(channel, [message.encode()], [sock.fileno() for sock in socks])
        except OSError as error:
            log.warning("a port is not kept over a restart error=%s", error)


def from_environment(environment: MutableMapping[str, str] = os.environ) -> Handover:
    """What a service manager says; its variables are taken out, for programs that this one runs."""
    meant = environment.pop("LISTEN_PID", "") == str(os.getpid())
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    found = [_adopt(FIRST_FD + number) for number in range(int(count))] if meant and count.isdigit() else []
    return Handover([sock for sock in found if sock is not None], keeper=environment.get("NOTIFY_SOCKET", ""))


def _adopt(descriptor: int) -> socket.socket | None:
    try:
        os.set_inheritable(descriptor, False)
        return socket.socket(fileno=descriptor)
    except OSError as error:
        log.warning("what was handed over is no socket descriptor=%d error=%s", descriptor, error)
        return None


def _key(sock: socket.socket) -> _Key | None:
    """None: nothing that we have open."""
    if sock.family != socket.AF_INET or sock.type not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        return None
    if sock.type == socket.SOCK_STREAM and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    return _key_of(sock)


def _key_of(sock: socket.socket) -> _Key:
    return Protocol.UDP if sock.type == socket.SOCK_DGRAM else Protocol.TCP, sock.getsockname()[1]


def _name(key: _Key) -> str:
    """As systemd takes it: no colon."""
    return f"netproxy-{key[0].value.lower()}-{key[1]}"
