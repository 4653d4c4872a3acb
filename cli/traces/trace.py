"""The shape that every kind of trace has."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that would be left behind: what it is, and its removal, which says what was removed."""

    what: str
    remove: Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of trace. `find` may fail, as when the Docker daemon is down: then the kind counts as not removed."""

    name: str
    find: Callable[[], list[Trace]]


def removed(what: str, action: Callable[[], object]) -> Trace:
    """A trace whose removal is one action."""

    def remove() -> list[str]:
        action()
        return [what]

    return Trace(what, remove)
