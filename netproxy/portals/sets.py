"""A set of addresses and ports in the kernel (ipset, `hash:ip,port`): one rule matches thousands of services at once.

Spoken over netlink, without the program `ipset`: what changes is what is sent. The set outlives this program, as the
rules do that name it. Kernels from 2.6.39 have sets, as a module most of them; where there is none, `usable` says so.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

from netproxy.portals.commands import PortalError

log = logging.getLogger(__name__)

Member = bytes
"""Port (2 bytes) and IPv4 address (4 bytes), network order; the protocol is TCP."""

MAX_NAME = 31
_NETLINK_NETFILTER = 12
_SUBSYSTEM = 6 << 8
_CREATE, _DESTROY, _LIST, _ADD, _DELETE = 2, 3, 7, 9, 10
_REQUEST, _ACK, _DUMP, _EXCLUSIVE = 0x1, 0x4, 0x300, 0x200
_ERROR, _DONE = 2, 3
_PROTOCOL, _SETNAME, _TYPENAME, _REVISION, _FAMILY, _DATA, _ADT, _LINENO = 1, 2, 3, 4, 5, 7, 8, 9
_IP, _PORT, _PROTO, _MAXELEM = 1, 4, 7, 19
_NESTED, _BIG_ENDIAN, _TYPE_MASK = 0x8000, 0x4000, 0x3FFF
_VERSION = b"\x06"
"""Spoken by all kernels that have sets; newer ones take it too."""
_TYPE, _TYPE_REVISION = b"hash:ip,port\0", b"\x01"
_MAX_MEMBERS = 1 << 18
_BATCH = 1500
"""Members a message: the length of an attribute has 16 bits."""
_TIMEOUT_S = 5.0


class AddressSet:
    """One set, by name, in the network namespace of the calling thread. Raises PortalError."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self) -> None:
        """Make it; one that is there already is taken."""
        size = _attribute(_DATA | _NESTED, _attribute(_MAXELEM | _BIG_ENDIAN, struct.pack("!I", _MAX_MEMBERS)))
        kind = _attribute(_TYPENAME, _TYPE) + _attribute(_REVISION, _TYPE_REVISION)
        self._ask(_CREATE, kind + _attribute(_FAMILY, bytes([socket.AF_INET])) + size)

    def destroy(self) -> bool:
        """Remove it; False when there was none."""
        return _unless_absent(lambda: self._ask(_DESTROY, b"", _EXCLUSIVE))

    def exists(self) -> bool:
        """Whether it is there."""
        return _unless_absent(self.members)

    def change(self, *, add: Iterable[Member], remove: Iterable[Member]) -> None:
        """Put members in and take members out; one that is there, or not, already is no error."""
        for command, members in ((_DELETE, list(remove)), (_ADD, list(add))):
            for start in range(0, len(members), _BATCH):
                entries = b"".join(map(_entry, members[start : start + _BATCH]))
                self._ask(command, _attribute(_LINENO, b"\0\0\0\0") + _attribute(_ADT | _NESTED, entries))

    def members(self) -> set[Member]:
        """What is in it now."""
        found: set[Member] = set()
        for body in self._talk(_LIST, b"", _DUMP):
            for kind, value in _attributes(body[4:]):
                if kind == _ADT:
                    found.update(_member(entry) for _kind, entry in _attributes(value))
        return found

    def usable(self) -> bool:
        """Whether this kernel has such sets; leaves one there if so."""
        try:
            self.create()
        except PortalError as error:
            log.info("no sets of addresses here, one rule a service instead error=%s", error)
            return False
        return True

    def _ask(self, command: int, attributes: bytes, flags: int = 0) -> None:
        for _body in self._talk(command, attributes, _ACK | flags):
            pass

    def _talk(self, command: int, attributes: bytes, flags: int) -> Iterator[bytes]:
        """Send one message; the bodies of the answers."""
        name = _attribute(_PROTOCOL, _VERSION) + _attribute(_SETNAME, self.name.encode() + b"\0")
        body = struct.pack("=BBH", socket.AF_INET, 0, 0) + name + attributes
        header = struct.pack("=IHHII", 16 + len(body), _SUBSYSTEM | command, _REQUEST | flags, 1, 0)
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
                sock.settimeout(_TIMEOUT_S)
                sock.send(header + body)
                yield from _answers(sock)
        except OSError as error:
            raise PortalError(f"set {self.name}: {error.strerror or error}") from error


_ABSENT = frozenset({errno.ENOENT, errno.EPROTONOSUPPORT, errno.EINVAL})


def _unless_absent(action: Callable[[], object]) -> bool:
    """Do it; False when there is no such set."""
    try:
        action()
    except PortalError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _ABSENT:
            return False
        raise
    return True


def _answers(sock: socket.socket) -> Iterator[bytes]:
    """The bodies of messages up to the last. Raises OSError when the kernel says no."""
    while True:
        data = sock.recv(1 << 18)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", data, 16)
                if code:
                    raise OSError(-code, _reason(-code))
                return
            if kind == _DONE:
                return
            yield data[16:length]
            data = data[(length + 3) & ~3 :]


def _reason(code: int) -> str:
    """Numbers from 4096 on are ipset's own (linux/netfilter/ipset/ip_set.h)."""
    return os.strerror(code) if code < 4096 else f"ipset error {code}"


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & _TYPE_MASK, data[4:length]
        data = data[(length + 3) & ~3 :]


_ENTRY_HEAD = struct.pack("=HHHHHH", 32, _DATA | _NESTED, 12, _IP | _NESTED, 8, 1 | _BIG_ENDIAN)
_ENTRY_PORT = struct.pack("=HH", 6, _PORT | _BIG_ENDIAN)
_ENTRY_TAIL = b"\0\0" + struct.pack("=HHBxxx", 5, _PROTO, socket.IPPROTO_TCP)


def _entry(member: Member) -> bytes:
    """One member as the kernel reads it: address, port, protocol."""
    return _ENTRY_HEAD + member[2:] + _ENTRY_PORT + member[:2] + _ENTRY_TAIL


def _member(entry: bytes) -> Member:
    parts = dict(_attributes(entry))
    return parts[_PORT] + dict(_attributes(parts[_IP]))[1]
