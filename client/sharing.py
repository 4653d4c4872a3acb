"""Equal parts of objects are held once.

Pods of one template have the same containers, volumes, tolerations and owner, and there are thousands of them in an
informer's copy, which nobody changes. What is alike among the last values of a field becomes one object.
"""

import sys
from collections import OrderedDict
from typing import Any, TypeVar

import msgspec

from api.codec import encode

T = TypeVar("T", bound=msgspec.Struct)

_REMEMBERED = 1024
_NO_LIST: list[Any] = []
_NO_DICT: dict[Any, Any] = {}
# Parts of an object whose fields are looked at one by one; a field of them is shared whole.
_PARTS = ("metadata", "spec", "status")
# Text that no other object has: to remember it costs more than it saves.
_OWN = frozenset({"name", "uid", "resource_version", "container_id"})


class Sharing:
    """For the objects of one kind. Not safe to share between threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[type[Any], str, bytes], Any] = OrderedDict()

    def share(self, item: T, before: T | None = None) -> T:
        """The item itself, which must be fresh, with fields replaced by equal ones seen before: first of all by those
        of the same object as it was before.
        """
        for name in _PARTS:
            part = getattr(item, name, None)
            if isinstance(part, msgspec.Struct):
                known = getattr(before, name, None)
                if part == known:
                    setattr(item, name, known)
                else:
                    self._share_fields(part, known)
        return item

    def _share_fields(self, part: msgspec.Struct, before: msgspec.Struct | None = None) -> None:
        for name in part.__struct_fields__:
            value = getattr(part, name)
            kind = type(value)
            if kind is str:
                if name not in _OWN:
                    setattr(part, name, sys.intern(value))
            elif before is not None and value == (known := getattr(before, name)):
                setattr(part, name, known)
            elif kind is list:
                setattr(part, name, self._shared(part, name, value) if value else _NO_LIST)
            elif kind is dict:
                setattr(part, name, self._shared(part, name, value) if value else _NO_DICT)
            elif isinstance(value, msgspec.Struct):
                setattr(part, name, self._shared(part, name, value))

    def _shared(self, part: msgspec.Struct, name: str, value: Any) -> Any:
        key = type(part), name, encode(value)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        # New as a whole; but its parts may be known (a volume's name is the pod's own, its sources are not).
        for inner in value if type(value) is list else (value,):
            if isinstance(inner, msgspec.Struct):
                self._share_fields(inner)
        self._known[key] = value
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return value
