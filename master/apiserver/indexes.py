"""Which objects have which value of a label or a field: so that a selector that picks few need not look at all.

An index is made when a selector first asks for its label or field, and kept with every commit from then on. The rule:
an index only narrows; whoever asks still checks each object against the whole selector.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

# Selectors with labels beyond these go over all objects, as they would without any index.
INDEXES_MAX = 32


class Indexed(Protocol):
    """What an index needs of an object in the cache."""

    key: str

    @property
    def labels(self) -> dict[str, str]: ...

    @property
    def fields(self) -> dict[str, str]: ...


I = TypeVar("I", bound=Indexed)  # noqa: E741
Place = tuple[str, str]
"""("label", its key) or ("field", its path)."""


class _Index(Generic[I]):
    """Keys of the objects under each value."""

    def __init__(self, value_of: Callable[[I], str | None], items: Iterable[I]) -> None:
        self._value_of = value_of
        self._keys: dict[str, dict[str, None]] = {}
        for item in items:
            self.replace(None, item)

    def replace(self, before: I | None, after: I | None) -> None:
        old = self._value_of(before) if before is not None else None
        new = self._value_of(after) if after is not None else None
        if old == new:
            return
        if before is not None and old is not None:
            keys = self._keys[old]
            del keys[before.key]
            if not keys:
                del self._keys[old]
        if after is not None and new is not None:
            self._keys.setdefault(new, {})[after.key] = None

    def keys(self, values: Iterable[str]) -> Iterator[str]:
        for value in values:
            yield from self._keys.get(value, ())


class Indexes(Generic[I]):
    """The indexes of one table."""

    def __init__(self) -> None:
        self._indexes: dict[Place, _Index[I]] = {}

    def replace(self, before: I | None, after: I | None) -> None:
        """One commit."""
        for index in self._indexes.values():
            index.replace(before, after)

    def keys(self, place: Place, values: Iterable[str], items: Iterable[I]) -> list[str] | None:
        """Keys of the objects with one of the values, in order; None when there is no index and no room for one."""
        index = self._indexes.get(place)
        if index is None:
            if len(self._indexes) >= INDEXES_MAX:
                return None
            index = self._indexes[place] = _Index(_reader(place), items)
        return sorted(index.keys(values))


def _reader(place: Place) -> Callable[[Indexed], str | None]:
    kind, name = place
    if kind == "label":
        return lambda item: item.labels.get(name)
    return lambda item: item.fields.get(name)
