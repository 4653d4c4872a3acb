"""The PROXY protocol, version 2: a header before a connection's first byte tells the endpoint who its client is.

Sent to endpoints of services that ask for it (the specification is HAProxy's, doc/proxy-protocol.txt, section 2.2).
"""

from __future__ import annotations

import socket
import struct

SO_ORIGINAL_DST = 80
"""linux/netfilter_ipv4.h: where a redirected connection was going, as a sockaddr_in."""

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP_OVER_IPV4 = 0x11
_HEADER = struct.Struct("!12sBBH4s4sHH")
_ADDRESS_BYTES = 12
_SOCKADDR = struct.Struct("!2xH4s8x")


def header(client: socket.SocketType) -> bytes:
    """The header for a client's connection: its address, and the one it wrote to. OSError when the client is gone."""
    address, port = client.getpeername()
    try:
        meant_port, meant = _SOCKADDR.unpack(client.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, _SOCKADDR.size))
    except OSError:
        # Not redirected: it came by the node port itself.
        local, meant_port = client.getsockname()
        meant = socket.inet_aton(local)
    source = socket.inet_aton(address)
    return _HEADER.pack(_SIGNATURE, _VERSION_2_PROXY, _TCP_OVER_IPV4, _ADDRESS_BYTES, source, meant, port, meant_port)
