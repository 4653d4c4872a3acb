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

from api.scalars import decode_scalar, encode_scalar

T = TypeVar("T")

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

    Go's decoder reads ``null`` as absent everywhere, and people write ``labels:`` with nothing behind it; so when the
    strict first try
    fails, nulls are taken out and it is tried again. Nesting that would exhaust the stack counts as malformed.
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
        if not _has_null(document):
            raise
        return convert(document, kind)


def convert(plain: Any, kind: type[T]) -> T:
    """An object of the given type from plain dicts and lists, as ``decode`` makes it. Raises
    msgspec.ValidationError."""
    _decoder(kind)
    return msgspec.convert(_without_nulls(plain), kind, dec_hook=decode_scalar)


def plain(value: Any) -> Any:
    """The dicts, lists and scalars of JSON that an object is encoded to."""
    return msgspec.json.decode(_encoder.encode(value))


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(item is None or _has_null(item) for item in value.values())
    if isinstance(value, list):
        return any(item is None or _has_null(item) for item in value)
    return False


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
