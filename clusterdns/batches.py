"""Many datagrams by one system call: recvmmsg(2) and sendmmsg(2), which Python does not offer.

A batch has SLOTS places; each holds a question, its sender, and the answer that goes back there. Of the time that a
ready answer takes, most are the system calls: under load one of each serves up to SLOTS clients.
"""

import ctypes
import logging
import os
import socket
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SLOTS = 32
SLOT_BYTES = 4096
"""Of a question; what is longer comes cut, and is none."""
_NAME_BYTES = 28  # sockaddr_in6, the longer one
_WAIT_FOR_ONE = 0x10000  # MSG_WAITFORONE: blocks for the first, then takes what is there

Otherwise = Callable[[bytes, int], bytes | None]
"""Question and slot to the answer; None when there is none, or none yet."""


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vectors_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_libc = ctypes.CDLL(None, use_errno=True)
_receive, _send = _libc.recvmmsg, _libc.sendmmsg
_receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_SIZE = ctypes.sizeof(_Message)


class _Side:
    """The headers of one direction over a buffer of slots."""

    def __init__(self, names: bytearray, name_bytes: int, slot_bytes: int) -> None:
        self.slot_bytes = slot_bytes
        self.buffer = bytearray(SLOTS * slot_bytes)
        self._vectors, self._messages = (_Vector * SLOTS)(), (_Message * SLOTS)()
        vectors = ctypes.addressof(self._vectors)
        for slot in range(SLOTS):
            self._vectors[slot] = _Vector(_address(self.buffer) + slot * slot_bytes, slot_bytes)
            name, vector = _address(names) + slot * _NAME_BYTES, vectors + slot * ctypes.sizeof(_Vector)
            self._messages[slot] = _Message(_Header(name, name_bytes, vector, 1))
        self.start = ctypes.addressof(self._messages)
        # Plain integers in the kernel's structures: a field of ctypes costs several times as much.
        self.received = memoryview(self._messages).cast("B")[_Message.length.offset :].cast("I")
        self.received_step = _SIZE // self.received.itemsize
        self.to_send = memoryview(self._vectors).cast("B")[_Vector.length.offset :].cast("L")  # size_t
        self.to_send_step = ctypes.sizeof(_Vector) // self.to_send.itemsize


class Batch:
    """The memory of one thread for one socket. ``answer_bytes``: the longest answer."""

    def __init__(self, sock: socket.socket, answer_bytes: int) -> None:
        self._fd = sock.fileno()
        self._family = sock.family
        self._names = bytearray(SLOTS * _NAME_BYTES)
        name_bytes = 16 if sock.family == socket.AF_INET else _NAME_BYTES
        self._in = _Side(self._names, name_bytes, SLOT_BYTES)
        self._out = _Side(self._names, name_bytes, answer_bytes)

    def receive(self) -> int:
        """Wait for questions; how many there are now. Raises OSError."""
        count: int = _receive(self._fd, self._in.start, SLOTS, _WAIT_FOR_ONE, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return count

    def answer(self, count: int, ready: Mapping[bytes, bytes], otherwise: Otherwise, given: list[int]) -> int:
        """Answer the first ``count`` slots; how many of them from ``ready``: questions without their id to a byte that
        says where in ``given`` the answer is counted, and the answer without its id.

        The hot path; names are bound once, since each question costs a few microseconds in all.
        """
        questions, lengths, step = memoryview(self._in.buffer), self._in.received, self._in.received_step
        out, slot_bytes, find = memoryview(self._out.buffer), self._out.slot_bytes, ready.get
        to_send, to_send_step = self._out.to_send, self._out.to_send_step
        begin = at = others = 0
        for slot in range(count):
            data = questions[at : at + lengths[slot * step]].tobytes()
            at += SLOT_BYTES
            known = find(data[2:])
            if known is not None:
                given[known[0]] += 1
                message: bytes | None = data[:2] + known[1:]
            else:
                others += 1
                message = otherwise(data, slot)
            if message is None or len(message) > slot_bytes:
                self._send(begin, slot)
                begin = slot + 1
                continue
            place = slot * slot_bytes
            out[place : place + len(message)] = message
            to_send[slot * to_send_step] = len(message)
        self._send(begin, count)
        return count - others

    def client(self, slot: int) -> tuple[str, int]:
        """Who asked, for an answer that comes later."""
        name = self._names[slot * _NAME_BYTES : (slot + 1) * _NAME_BYTES]
        packed = bytes(name[4:8] if self._family == socket.AF_INET else name[8:24])
        return socket.inet_ntop(self._family, packed), int.from_bytes(name[2:4], "big")

    def _send(self, begin: int, end: int) -> None:
        """One that cannot be sent is left out: its client asks again."""
        while begin < end:
            sent = _send(self._fd, self._out.start + begin * _SIZE, end - begin, 0)
            if sent <= 0:
                log.debug("reply failed client=%s error=%s", self.client(begin), os.strerror(ctypes.get_errno()))
            begin += max(sent, 1)


def _address(buffer: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
