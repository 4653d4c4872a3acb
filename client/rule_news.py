"""What nf_tables tells of rules that were deleted: nfnetlink(7), by hand, as far as it may concern a chain of ours.

iptables over nf_tables is told of too, each rule of a flush for itself. Of legacy iptables the kernel tells nothing.
"""

import socket
import struct
from collections.abc import Collection, Iterator

from client.netlink import messages

NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUP = 7  # NFNLGRP_NFTABLES
_FAMILY_AT, _ATTRIBUTES_AT = 0, 4  # in nfgenmsg, and after it
_IPV4 = bytes([socket.AF_INET])
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_TABLES = 10 << 8  # NFNL_SUBSYS_NFTABLES
_DELTABLE, _DELCHAIN, _DELRULE = _TABLES | 2, _TABLES | 5, _TABLES | 8
_CHAIN_ATTRIBUTE = {_DELCHAIN: 3, _DELRULE: 2}  # NFTA_CHAIN_NAME, NFTA_RULE_CHAIN


def listen() -> socket.socket:
    """A socket that hears of every change of nf_tables in this network namespace. Raises OSError."""
    sock = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
    )
    try:
        sock.bind((0, 0))
        sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
    except OSError:
        sock.close()
        raise
    return sock


def concerns(data: bytes, chains: Collection[bytes]) -> bool:
    """Whether a datagram tells of something deleted from one of these chains of IPv4, or of a whole table."""
    for kind, body in messages(data):
        if kind not in (_DELTABLE, _DELCHAIN, _DELRULE) or body[_FAMILY_AT : _FAMILY_AT + 1] != _IPV4:
            continue
        wanted = _CHAIN_ATTRIBUTE.get(kind)
        if wanted is None:
            return True
        if any(number == wanted and value in chains for number, value in _attributes(body[_ATTRIBUTES_AT:])):
            return True
    return False


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Those of the first level; a text comes without its closing zero."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length].removesuffix(b"\0")
        at += (length + 3) & ~3
