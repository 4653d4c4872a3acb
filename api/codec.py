"""Bytes to objects and back.

``decode`` is the door: what comes out has the declared types, canonical quantities and no unknown fields. ``encode``
writes compact JSON
with the type first and the metadata next, which lets the API server put a resourceVersion into stored bytes without
decoding them.
"""

import threading
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from api.nulls import has_null, without_nulls
from api.scalars import decode_scalar, encode_scalar
from api.struct import Struct

T = TypeVar("T")
P = TypeVar("P", bound=Struct)

_encoder = msgspec.json.Encoder(enc_hook=encode_scalar)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
# msgspec publishes what it learns of a type before it is whole, and runs Python code in between: a second thread that
# meets the half-made type ends the process with SIGSEGV. So types are learned by one thread at a time, and only whole
# ones are used.
_learning = threading.Lock()


def encode(value: Any) -> bytes:
    """Compact JSON of an object, a list of objects, or plain values."""
    return _encoder.encode(value)


def decode(data: bytes | str, kind: type[T]) -> T:
    """An object of the given type from JSON. Raises msgspec.ValidationError (wrong type) or msgspec.DecodeError (not
    JSON).

    People write ``labels:`` with nothing behind it; so when the strict first try fails, nulls are read as Go reads them
    and it is tried again. Nesting that would exhaust the stack counts as malformed.
    """
    try:
        item: T = _decode(data, kind, _decoder(kind))
        return item
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deep") from error


def learn(kinds: Iterable[type[Any]]) -> None:
    """Prepare to decode these types: a process that forks does it once for all its children."""
    for kind in kinds:
        _decoder(kind)


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    decoder = _decoders.get(kind)
    if decoder is None:
        with _learning:
            decoder = _decoders.get(kind)
            if decoder is None:
                decoder = _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=decode_scalar)
    return decoder


def _decode(data: bytes | str, kind: type[T], decoder: msgspec.json.Decoder[T]) -> T:
    try:
        result: T = decoder.decode(data)
        return result
    except msgspec.ValidationError:
        document = msgspec.json.decode(data)
        if isinstance(kind, type) and issubclass(kind, Struct) and has_null(document):
            return convert(document, kind)
        raise


def convert(plain: Any, kind: type[P]) -> P:
    """An object of the given type from plain dicts and lists, as ``decode`` makes it. Raises
    msgspec.ValidationError."""
    _decoder(kind)
    return msgspec.convert(without_nulls(plain, kind), kind, dec_hook=decode_scalar)


def plain(value: Any) -> Any:
    """The dicts, lists and scalars of JSON that an object is encoded to."""
    return msgspec.json.decode(_encoder.encode(value))
