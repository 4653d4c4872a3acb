"""Why replicas are not made.

The condition ReplicaFailure says that pods cannot be made, or removed, and why. It stays as it was said first until it
is over, so that a refusal that names changing figures is no write each time it is tried.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from api.errors import ApiError

FAILURE = "ReplicaFailure"
C = TypeVar("C", bound=msgspec.Struct)


def with_failure(kind: type[C], before: Sequence[C], why: tuple[str, str] | None, moment: datetime) -> list[C]:
    """The conditions with the failure, or without. ``why``: reason and message of what failed just now."""
    known: list[Any] = list(before)
    if why is None:
        return [one for one in known if one.type != FAILURE]
    if any(one.type == FAILURE for one in known):
        return known
    fields: dict[str, Any] = dict(zip(("reason", "message"), why, strict=True))
    return [*known, kind(type=FAILURE, status="True", last_transition_time=moment, **fields)]


def is_terminating(error: ApiError) -> bool:
    """Whether it was refused for the end of its namespace."""
    causes = error.details.causes if error.details is not None else []
    return any(cause.reason == "NamespaceTerminating" for cause in causes)
