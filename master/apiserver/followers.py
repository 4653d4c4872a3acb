"""Who follows a table.

A watch that asks for one value of a field, as each node's does for its own pods, hears of no commit that has nothing
of that value: so what a commit costs does not grow with the number of nodes.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from master.apiserver.indexes import Indexed


class Changed(Protocol):
    """What is looked at of an event: the object before and after it."""

    @property
    def before(self) -> Indexed | None: ...

    @property
    def after(self) -> Indexed | None: ...


F = TypeVar("F")
Only = tuple[str, str]
"""A field and the value that is asked for."""


class Followers(Generic[F]):
    """In the order in which they came, those that follow one value after all others."""

    def __init__(self) -> None:
        self._members: dict[F, Only | None] = {}
        self._of_all: dict[F, None] = {}
        self._of_one: dict[str, dict[str, dict[F, None]]] = {}

    def add(self, follower: F, *, only: Only | None = None) -> None:
        self._members[follower] = only
        if only is None:
            self._of_all[follower] = None
        else:
            field, value = only
            self._of_one.setdefault(field, {}).setdefault(value, {})[follower] = None

    def discard(self, follower: F) -> None:
        only = self._members.pop(follower, None)
        self._of_all.pop(follower, None)
        if only is None:
            return
        field, value = only
        values = self._of_one[field]
        del values[value][follower]
        if not values[value]:
            del values[value]
        if not values:
            del self._of_one[field]

    def concerned(self, events: Iterable[Changed]) -> list[F]:
        """All whom one of these events may concern, each once."""
        found = dict(self._of_all)
        for field, values in self._of_one.items():
            for event in events:
                for item in (event.before, event.after):
                    if item is not None:
                        found |= values.get(item.fields[field], {})
        return list(found)

    def __contains__(self, follower: F) -> bool:
        return follower in self._members

    def __len__(self) -> int:
        return len(self._members)
