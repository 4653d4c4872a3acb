"""The wire format of protocol buffers: varints, and fields that are a number, a length and bytes.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1


class Malformed(ValueError):
    """The bytes end too early, or are no protobuf at all."""


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned 64-bit number and the position behind it."""
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("bad varint")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & _MASK, at
        shift += 7


def signed(value: int) -> int:
    """A varint as the signed 64-bit number that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def read_fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: an int for a number, bytes for all that has a length."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("field number 0")
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if wire == LENGTH:
            size, at = read_varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise Malformed(f"wire type {wire}")
        if size > len(data) - at:
            raise Malformed("a field is longer than its message")
        yield number, data[at : at + size]
        at += size


def varint(value: int) -> bytes:
    """A number as a varint; a negative one takes ten bytes."""
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def length_delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | LENGTH) + varint(len(data)) + data
