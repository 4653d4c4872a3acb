"""What the kernel tells in datagrams of netlink(7): taken as they wait, and apart, by hand."""

import logging
import socket
import struct
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_BUFFER_BYTES = 65_536


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message in a datagram; what is cut short ends it."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def heard(sock: socket.socket, judge: Callable[[bytes], bool]) -> bool:
    """Whether any of the datagrams that wait is of interest; all are taken. True as well when some were lost."""
    found = False
    while True:
        try:
            found |= judge(sock.recv(_BUFFER_BYTES))
        except BlockingIOError:
            return found
        except OSError as error:
            log.debug("messages of the kernel were lost error=%s", error)
            return True
