"""One question to one server over UDP, over TCP when the answer does not fit.

The rule: an answer counts only if it comes from the server asked (connected socket), with our random id,
to our random port (chosen by the kernel for each question), and repeats the question. Others are ignored.
"""

import secrets
import socket
import struct
import time

from clusterdns.upstreams import Server
from clusterdns.wire import HEADER_BYTES, TYPE_OPT, MalformedError, Query

ASKED_UDP_BYTES = 1232  # fits every path unfragmented: dnsflagday.net/2020


def ask(server: Server, query: Query, *, timeout_s: float) -> bytes:
    """The whole answer; TimeoutError or OSError when there is none, MalformedError when TCP speaks nonsense."""
    deadline = time.monotonic() + timeout_s
    ident = secrets.token_bytes(2)
    packet = _packet(query, ident)
    answer = _ask_udp(server, packet, query.question, deadline)
    if answer[2] & 0x02:
        answer = _ask_tcp(server, packet, deadline)
        if not _answers(answer, packet, query.question):
            raise MalformedError(f"answer of {server} over TCP is to another question")
    return answer


def _packet(query: Query, ident: bytes) -> bytes:
    flags = bytes((0x01, query.cd))  # recursion desired, whatever the client said: a cache needs whole answers
    opt = struct.pack("!BHHBBHH", 0, TYPE_OPT, ASKED_UDP_BYTES, 0, 0, 0x8000 if query.do else 0, 0)
    return ident + flags + b"\0\1\0\0\0\0\0\1" + query.question + opt


def _answers(data: bytes, packet: bytes, question: bytes) -> bool:
    end = HEADER_BYTES + len(question)
    return (
        data[:2] == packet[:2]
        and len(data) >= end
        and data[2] & 0xF8 == 0x80  # an answer to a standard query
        and data[4:6] == b"\0\1"
        and data[end - 4 : end] == question[-4:]
        and data[HEADER_BYTES : end - 4].lower() == question[:-4].lower()
    )


def _ask_udp(server: Server, packet: bytes, question: bytes, deadline: float) -> bytes:
    with _socket(server, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_left(deadline))
        sock.connect((server.address, server.port))
        sock.send(packet)
        while True:
            sock.settimeout(_left(deadline))
            answer = sock.recv(65535)
            if _answers(answer, packet, question):
                return answer


def _ask_tcp(server: Server, packet: bytes, deadline: float) -> bytes:
    with _socket(server, socket.SOCK_STREAM) as sock:
        sock.settimeout(_left(deadline))
        sock.connect((server.address, server.port))
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        (size,) = struct.unpack("!H", read_exactly(sock, 2, deadline))
        return read_exactly(sock, size, deadline)


def _socket(server: Server, kind: socket.SocketKind) -> socket.socket:
    return socket.socket(socket.AF_INET6 if server.ipv6 else socket.AF_INET, kind)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def read_exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    """`size` bytes; TimeoutError at the deadline, ConnectionError when the stream ends before."""
    parts, left = [], size
    while left:
        sock.settimeout(_left(deadline))
        part = sock.recv(left)
        if not part:
            raise ConnectionResetError("stream ended early")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
