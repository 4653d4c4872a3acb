"""The bpf() system call as far as `lender` needs it: maps and one program, made without a library or a compiler.

Layouts and numbers are the kernel's own (linux/bpf.h, man 2 bpf); instructions are eight bytes each.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from enum import IntEnum

_CALLS = {"x86_64": 321, "aarch64": 280}
"""Numbers of bpf(2), by machine."""
_ATTRIBUTES_BYTES = 128
_LOG_BYTES = 1 << 16

_MAP_CREATE, _MAP_UPDATE, _MAP_DELETE, _PROG_LOAD, _PROG_ATTACH = 0, 2, 3, 5, 8
_SK_SKB = 14
_SK_SKB_VERDICT = 38
"""Attached to a map of sockets: asked about what each of them receives. Linux 5.13."""

_libc = ctypes.CDLL(None, use_errno=True)


class Map(IntEnum):
    """Kinds of maps."""

    HASH = 1
    ARRAY = 2
    SOCKETS = 18
    RING = 27


class Flag(IntEnum):
    """Flags of maps."""

    NONE = 0
    GROWS = 1
    MAPPED = 1 << 10


class Register(IntEnum):
    """r1 to r5 are arguments, r0 the result, r6 to r9 outlast calls, r10 is the stack's end."""

    R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)


class Code:
    """A program that is being written; jumps go forward, to labels."""

    def __init__(self) -> None:
        self._code: list[bytes] = []
        self._jumps: list[tuple[int, str, int, int, int, int]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """The next instruction is what jumps to this name lead to."""
        self._labels[name] = len(self._code)

    def copy(self, to: int, source: int) -> None:
        """to = source."""
        self._put(0xBF, to, source)

    def set(self, to: int, value: int) -> None:
        """to = value."""
        self._put(0xB7, to, value=value)

    def add(self, to: int, source: int) -> None:
        """to += source."""
        self._put(0x0F, to, source)

    def load(self, to: int, source: int, offset: int, *, words: int = 2) -> None:
        """to = what is at source + offset; two words of four bytes, or one."""
        self._put(0x79 if words == 2 else 0x61, to, source, offset)

    def store(self, to: int, offset: int, source: int, *, words: int = 2) -> None:
        """What is at to + offset = source."""
        self._put(0x7B if words == 2 else 0x63, to, source, offset)

    def fetch_add(self, to: int, offset: int, source: int) -> None:
        """What is at to + offset += source, at once for all processors; source = what it was."""
        self._put(0xDB, to, source, offset, 1)

    def address(self, to: int, offset: int) -> None:
        """to = where that is on the stack."""
        self.copy(to, Register.R10)
        self._put(0x07, to, value=offset)

    def map(self, to: int, descriptor: int) -> None:
        """to = a map."""
        self._put(0x18, to, 1, value=descriptor)
        self._put(0)

    def call(self, helper: int) -> None:
        """r0 = what a function of the kernel says."""
        self._put(0x85, value=helper)

    def exit(self, value: int | None = None) -> None:
        """End with r0, or with a value."""
        if value is not None:
            self.set(Register.R0, value)
        self._put(0x95)

    def if_zero(self, register: int, label: str) -> None:
        """Jump."""
        self._jump(0x15, register, 0, label)

    def if_differ(self, first: int, second: int, label: str) -> None:
        """Jump."""
        self._jump(0x5D, first, second, label)

    def if_greater(self, first: int, second: int, label: str) -> None:
        """Jump when first > second, without signs."""
        self._jump(0x2D, first, second, label)

    def bytes(self) -> bytes:
        """The program."""
        for place, label, opcode, to, source, value in self._jumps:
            self._code[place] = _instruction(opcode, to, source, self._labels[label] - place - 1, value)
        return b"".join(self._code)

    def _put(self, opcode: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> None:
        self._code.append(_instruction(opcode, to, source, offset, value))

    def _jump(self, opcode: int, to: int, source: int, label: str) -> None:
        self._jumps.append((len(self._code), label, opcode, to, source, 0))
        self._code.append(b"")


def _instruction(opcode: int, to: int, source: int, offset: int, value: int) -> bytes:
    return struct.pack("=BBhi", opcode, to | source << 4, offset, value)


def create_map(kind: Map, *, key_bytes: int, value_bytes: int, entries: int, flag: Flag = Flag.NONE) -> int:
    """Its descriptor. Raises OSError."""
    return _bpf(_MAP_CREATE, struct.pack("=IIIII", kind, key_bytes, value_bytes, entries, flag))


def put(map_fd: int, key: bytes, value: bytes) -> None:
    """Put a value into a map. Raises OSError."""
    _element(_MAP_UPDATE, map_fd, key, value)


def drop(map_fd: int, key: bytes) -> None:
    """Take a key out of a map. Raises OSError, ENOENT when it is not there."""
    _element(_MAP_DELETE, map_fd, key, b"")


def load_verdict(text: bytes, *, name: str) -> int:
    """The descriptor of a program that decides what becomes of what a socket received. Raises OSError."""
    program, licence = ctypes.create_string_buffer(text, len(text)), ctypes.create_string_buffer(b"Apache-2.0")
    log = ctypes.create_string_buffer(_LOG_BYTES)
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        *(_SK_SKB, len(text) // 8, ctypes.addressof(program), ctypes.addressof(licence)),
        *(1, _LOG_BYTES, ctypes.addressof(log), 0, 0, name.encode(), 0, _SK_SKB_VERDICT),
    )
    try:
        return _bpf(_PROG_LOAD, attributes)
    except OSError as error:
        said = log.value.decode(errors="replace").strip()
        raise OSError(error.errno, f"{error.strerror}: {said}" if said else error.strerror) from error


def attach_verdict(map_fd: int, program_fd: int) -> None:
    """Have the program asked about the sockets of this map. Raises OSError."""
    _bpf(_PROG_ATTACH, struct.pack("=IIII", map_fd, program_fd, _SK_SKB_VERDICT, 0))


def _element(command: int, map_fd: int, key: bytes, value: bytes) -> None:
    held_key, held_value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    where = ctypes.addressof(held_value) if value else 0
    _bpf(command, struct.pack("=I4xQQQ", map_fd, ctypes.addressof(held_key), where, 0))


def _bpf(command: int, attributes: bytes) -> int:
    number = _CALLS.get(platform.machine())
    if number is None:
        raise OSError(f"bpf() is not known on {platform.machine()}")
    held = ctypes.create_string_buffer(attributes, _ATTRIBUTES_BYTES)
    found = _libc.syscall(ctypes.c_long(number), ctypes.c_int(command), held, ctypes.c_uint(_ATTRIBUTES_BYTES))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found)
