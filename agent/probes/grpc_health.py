"""Asks the gRPC health service one question, with just as much HTTP/2 as that takes.

The question is one fixed request (headers without compression tables, RFC 7541 6.2.2; one data frame); of the answer
only the data frame is read: a HealthCheckResponse is one enum, so headers need not be decoded. No answer message is
how gRPC tells an error, as NOT_FOUND for an unknown service.
https://github.com/grpc/grpc/blob/master/doc/health-checking.md, RFC 9113 section 4.1
"""

import socket
import time

UNKNOWN_SERVICE = -1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_MAX_FRAME_BYTES = 16384


def serving(host: str, port: int, service: str, *, timeout_s: float) -> int:
    """The service's status: 1 is SERVING, UNKNOWN_SERVICE when there was no answer message.

    Raises OSError, TimeoutError, and ValueError when the other side does not speak HTTP/2.
    """
    deadline = time.monotonic() + timeout_s
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(_PREFACE + _frame(_SETTINGS, b"", stream=0) + _question(f"{host}:{port}", service))
        return _answer(connection, deadline)


def _frame(kind: int, payload: bytes, *, stream: int, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _question(authority: str, service: str) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    body = b"\x00" + len(message).to_bytes(4, "big") + message
    return _frame(_HEADERS, block, stream=1, flags=_END_HEADERS) + _frame(_DATA, body, stream=1, flags=_END_STREAM)


def _text(text: str) -> bytes:
    """A string literal of HPACK without Huffman coding; names and values here are shorter than 127 bytes."""
    data = text.encode()
    return bytes((len(data),)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def _answer(connection: socket.socket, deadline: float) -> int:
    message = b""
    while True:
        kind, flags, payload = _read_frame(connection, deadline)
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, b"", stream=0, flags=_ACK))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, payload, stream=0, flags=_ACK))
        elif kind == _DATA:
            message += payload
        if kind in (_RESET, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            return _status(message)


def _status(message: bytes) -> int:
    """The enum of a HealthCheckResponse behind gRPC's prefix of five bytes; an empty message is UNKNOWN, 0."""
    if len(message) < 5:
        return UNKNOWN_SERVICE
    body = message[5:]
    return body[1] if len(body) >= 2 and body[0] == 8 else 0


def _read_frame(connection: socket.socket, deadline: float) -> tuple[int, int, bytes]:
    header = _read(connection, 9, deadline)
    length = int.from_bytes(header[:3], "big")
    if length > _MAX_FRAME_BYTES:
        raise ValueError("the answer is not HTTP/2")
    return header[3], header[4], _read(connection, length, deadline)


def _read(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError("connection closed")
        data += chunk
    return data
