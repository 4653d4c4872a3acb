"""What the kernel says of a TCP socket: the bytes that went in and out of it (linux/tcp.h, struct tcp_info)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_INFO = struct.Struct("=B23xI100xQ8xI52xQQ")
"""state, unacked, bytes_received, notsent_bytes, bytes_sent, bytes_retrans."""
_NO_END_YET = frozenset({1, 4, 5})
"""States in which the peer's end of stream has not come: established, and our own end sent."""
_CLOSED = 7
_UNREAD_SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """One socket at one moment."""

    state: int
    unacknowledged_segments: int
    received: int
    """Bytes, and one for the end of stream."""
    not_sent_bytes: int
    sent_bytes: int
    sent_again_bytes: int

    @property
    def queued_bytes(self) -> int:
        """All that was ever written to it; our own end counts for one once it is written."""
        return self.sent_bytes - self.sent_again_bytes + self.not_sent_bytes

    @property
    def is_closed(self) -> bool:
        """Reset, or ended both ways."""
        return self.state == _CLOSED

    @property
    def keeps_up(self) -> bool:
        """Whether the peer reads: hardly anything waits to be sent or acknowledged."""
        return not self.not_sent_bytes and self.unacknowledged_segments <= _UNREAD_SEGMENTS

    def is_all_received(self, count: int) -> bool:
        """Whether that is all that came before the end; before a reset, which is no byte, one may be missing."""
        return self.received - count - (self.state not in _NO_END_YET) in (0, -1)


def tcp_info(sock: socket.SocketType) -> TcpInfo:
    """Raises OSError. Linux 4.19."""
    return TcpInfo(*_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)))
