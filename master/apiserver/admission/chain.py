"""What happens to a write between the client's wish and the store, step by step.

The rule: a step completes new objects before they are validated, or checks any write just before it is stored, and may
do both. Steps are asked in the order of the one list in ``steps.py``; the first refusal ends the write. What a check
takes, it gives back when the write fails. A step sees only the kinds it names, so that it costs the others nothing.
"""

from collections.abc import Sequence

import msgspec

from api.errors import Forbidden
from api.meta import Object, StatusCause, StatusDetails
from api.resources import Resource
from master.apiserver.authentication.user import User
from master.apiserver.reservation import Reservation


class Write(msgspec.Struct, frozen=True):
    """A write under way: ``old`` is None for a new object; ``name`` is the one in the path, empty for a new object."""

    user: User
    resource: Resource
    new: Object
    old: Object | None = None
    namespace: str = ""
    name: str = ""
    dry_run: bool = False


class Step:
    """One step; does nothing by itself. ``kinds`` is None for every kind."""

    name: str
    kinds: frozenset[type[Object]] | None = None

    def complete(self, write: Write) -> None:
        """Changes a new object in place. Raises ApiError."""

    def version(self) -> int | None:
        """Another one whenever ``complete`` may do otherwise to the same object in the same namespace; None when that
        can be at any time, or depends on who sends it."""
        return None

    def check(self, write: Write, taken: Reservation) -> None:
        """Raises ApiError for a write that may not be, and changes nothing of it. What it takes is noted in
        ``taken``."""


class Chain:
    """The steps, sorted by kind once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self._completing: dict[type[Object], tuple[Step, ...]] = {}
        self._checking: dict[type[Object], tuple[Step, ...]] = {}

    def complete(self, write: Write) -> None:
        """To be asked for new objects only, after the defaults and before validation."""
        for step in self._completers(type(write.new)):
            step.complete(write)

    def version(self, kind: type[Object]) -> tuple[int, ...] | None:
        """The same as before: ``complete`` would do the same to the same object of this kind. None: nobody knows."""
        versions = []
        for step in self._completers(kind):
            if (version := step.version()) is None:
                return None
            versions.append(version)
        return tuple(versions)

    def _completers(self, kind: type[Object]) -> tuple[Step, ...]:
        steps = self._completing.get(kind)
        if steps is None:
            steps = self._completing[kind] = self._of(kind, "complete")
        return steps

    def check(self, write: Write, taken: Reservation) -> None:
        """Whatever fails, ``taken`` is given back before the error goes on."""
        kind = type(write.new)
        steps = self._checking.get(kind)
        if steps is None:
            steps = self._checking[kind] = self._of(kind, "check")
        try:
            for step in steps:
                step.check(write, taken)
        except BaseException:
            taken.give_back()
            raise

    def _of(self, kind: type[Object], phase: str) -> tuple[Step, ...]:
        """The steps that look at a kind and have something to do in this phase."""
        return tuple(
            step
            for step in self.steps
            if (step.kinds is None or kind in step.kinds) and getattr(type(step), phase) is not getattr(Step, phase)
        )


def forbidden(write: Write, why: str, causes: Sequence[StatusCause] = ()) -> Forbidden:
    """The refusal of a write, in Kubernetes' form."""
    resource, metadata = write.resource, write.new.metadata
    name = metadata.name or metadata.generate_name
    details = StatusDetails(name=name, group=resource.group, kind=resource.plural, causes=list(causes))
    return Forbidden(f'{resource.qualified} "{name}" is forbidden: {why}', details=details)
