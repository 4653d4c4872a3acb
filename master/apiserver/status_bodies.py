"""Bodies of status writes: of the whole object that a client puts, the stored spec stays, so its own is thrown away.

It is judged all the same, since Kubernetes refuses a status with a spec that is none. A client that reports on an
object says the same spec each time; one that was found in order is not read again. The rule: what is remembered is no
more than that; a hash that two specs have in common could at worst let a wrong one be thrown away unread.
"""

from typing import TypeVar

import msgspec

from api.beside_spec import decode_beside_spec
from api.meta import Object
from api.strict import knows_all_fields
from master.apiserver.bodies import UNSAID, Expected, fits, json_of, media_type, typed
from master.apiserver.http.message import Request

T = TypeVar("T", bound=Object)

# Bounded, since clients choose what they send: 2 MB at most.
_MOST = 16_384


class StatusBodies:
    """Reads them, for one server."""

    def __init__(self) -> None:
        self._judged: dict[int, None] = {}

    def read(self, request: Request, expected: Expected, kind: type[T], *, validation: str) -> tuple[T, list[str]]:
        """As ``read_object``; in the place of a spec that is known stands its JSON, a ``msgspec.Raw``."""
        data = json_of(request.body, media_type(request), expected)
        # Who asks for a certain validation has the whole of his body looked at.
        beside = _beside_spec(data, kind) if validation == UNSAID else None
        if beside is None or not fits(beside, expected):
            return typed(data, expected, kind, validation=validation)
        mark = hash((kind, bytes(getattr(beside, "spec"))))  # noqa: B009 - the kinds read here have one
        if mark in self._judged and knows_all_fields(data, kind, beside="spec"):
            return beside, []
        found, warnings = typed(data, expected, kind, validation=validation)
        if not warnings:
            self._keep(mark)
        return found, warnings

    def _keep(self, mark: int) -> None:
        """The oldest one goes when there is no room."""
        if len(self._judged) >= _MOST:
            del self._judged[next(iter(self._judged))]
        self._judged[mark] = None


def _beside_spec(data: bytes, kind: type[T]) -> T | None:
    try:
        return decode_beside_spec(data, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None  # to be told by who reads the whole
