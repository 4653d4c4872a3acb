"""ARP (RFC 826, RFC 5227): telling a network who has an address now, and asking whether another has it."""

import logging
import select
import socket
import struct
import time
from collections.abc import Iterable
from typing import NamedTuple

log = logging.getLogger(__name__)

_ETHERTYPE = 0x0806
_EVERYBODY = b"\xff" * 6
_NOBODY = b"\0" * 6
_HEAD = struct.pack("!HHBB", 1, 0x0800, 6, 4)  # Ethernet, IPv4
REQUEST, REPLY = 1, 2
ASK_S = 0.3


class Packet(NamedTuple):
    """What a packet of ARP says."""

    operation: int
    sender_mac: bytes
    sender: str
    target_mac: bytes
    target: str


def build(packet: Packet) -> bytes:
    """The frame, to everybody."""
    body = struct.pack("!H", packet.operation) + packet.sender_mac + socket.inet_aton(packet.sender)
    body += packet.target_mac + socket.inet_aton(packet.target)
    return _EVERYBODY + packet.sender_mac + struct.pack("!H", _ETHERTYPE) + _HEAD + body


def parse(frame: bytes) -> Packet | None:
    """What a frame says; None for what is no ARP of Ethernet and IPv4."""
    if len(frame) < 42 or frame[12:14] != struct.pack("!H", _ETHERTYPE) or frame[14:20] != _HEAD:
        return None
    (operation,) = struct.unpack_from("!H", frame, 20)
    sender, target = socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
    return Packet(operation, frame[22:28], sender, frame[32:38], target)


def announce(device: str, addresses: Iterable[str]) -> None:
    """Gratuitous ARP: whoever knows the address by another's MAC learns ours. Raises OSError."""
    with _open(device) as sock:
        mac = _mac(sock)
        for address in addresses:
            for operation, target in ((REQUEST, _NOBODY), (REPLY, mac)):
                sock.send(build(Packet(operation, mac, address, target, address)))


def answered(device: str, addresses: Iterable[str], *, limit_s: float = ASK_S) -> frozenset[str]:
    """For which of these another host answers. Raises OSError."""
    asked = frozenset(addresses)
    found: set[str] = set()
    with _open(device) as sock:
        mac = _mac(sock)
        for address in asked:
            sock.send(build(Packet(REQUEST, mac, "0.0.0.0", _NOBODY, address)))
        end = time.monotonic() + limit_s
        while found < asked and (left_s := end - time.monotonic()) > 0:
            if not select.select([sock], [], [], left_s)[0]:
                break
            packet = parse(sock.recv(2048))
            if packet is not None and packet.sender in asked and packet.sender_mac != mac:
                found.add(packet.sender)
    return frozenset(found)


def _open(device: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETHERTYPE))
    try:
        sock.bind((device, _ETHERTYPE))
    except OSError:
        sock.close()
        raise
    return sock


def _mac(sock: socket.socket) -> bytes:
    mac: bytes = sock.getsockname()[4]
    return mac
