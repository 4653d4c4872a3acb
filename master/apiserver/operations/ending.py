"""When an object may go: what of it says so, and how it is marked until then.

The rule: the same functions judge a whole object and an ``Ending``, which is read in a fraction of the time and will do
for all that go at once.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.core import Namespace
from api.grace import seconds
from api.meta import Object
from api.scalars import now
from master.apiserver.cache import Item

_ENDED = ("Succeeded", "Failed")
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    generation: int = 0
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    finalizers: list[str] = []


class _Spec(msgspec.Struct, rename="camel"):
    finalizers: list[str] = []
    node_name: str = ""
    termination_grace_period_seconds: int | None = None


class _Status(msgspec.Struct):
    phase: str = ""


class Ending(msgspec.Struct):
    """The fields of an object that decide over its end."""

    kind: str
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


_decoder = msgspec.json.Decoder(Ending)


def ending_of(item: Item) -> Ending:
    """A new one of a stored object."""
    return _decoder.decode(item.wire)


def is_marked(wire: bytes) -> bool:
    """Whether the encoded object was being deleted already."""
    # Nearly none is: what does not hold the word need not be read.
    return b'"deletionTimestamp":' in wire and _decoder.decode(wire).metadata.deletion_timestamp is not None


def is_released(item: Object | Ending) -> bool:
    """Whether an object that is being deleted may go: its time is over and no finalizer is left."""
    metadata = item.metadata
    return metadata.deletion_timestamp is not None and not metadata.deletion_grace_period_seconds and not _is_held(item)


def _is_held(item: Object | Ending) -> bool:
    """By a finalizer, of its own or of a namespace's spec."""
    return bool(item.metadata.finalizers or getattr(getattr(item, "spec", None), "finalizers", None))


def marked(item: Object | Ending, grace_s: int | None) -> bool | None:
    """Marks in place an object that is to be deleted and has to wait. None: it may go now. True: it was changed. False:
    nothing is to do."""
    metadata = item.metadata
    grace = _grace(item, grace_s)
    if metadata.deletion_timestamp is not None:
        return _hastened(item, grace if grace_s is not None else None)
    if not grace and not _is_held(item) and item.kind != "Namespace":
        return None  # and nobody will see a mark
    metadata.deletion_timestamp = _later(now(), grace)
    if item.kind != "Namespace":
        metadata.deletion_grace_period_seconds = grace
    if metadata.generation:
        metadata.generation += 1
    if isinstance(item, Namespace):
        item.status.phase = "Terminating"
    return True


def _hastened(item: Object | Ending, grace: int | None) -> bool | None:
    """A second delete can only shorten the time that is left."""
    metadata = item.metadata
    before = metadata.deletion_grace_period_seconds or 0
    changed = grace is not None and grace < before
    if changed and grace is not None and metadata.deletion_timestamp is not None:
        is_last = metadata.deletion_timestamp >= _LAST
        began = now() if is_last else metadata.deletion_timestamp - timedelta(seconds=before)
        metadata.deletion_timestamp = _later(began, grace)
        metadata.deletion_grace_period_seconds = grace
    return None if is_released(item) else changed


def _later(moment: datetime, grace_s: int) -> datetime:
    """A grace is any number of 64 bits; beyond what the calendar holds it ends with the calendar."""
    try:
        return min(moment + timedelta(seconds=grace_s), _LAST)
    except OverflowError:
        return _LAST


def _grace(item: Any, asked: int | None) -> int:
    """Seconds that an object may take to end: none for all but pods that run on a node."""
    if item.kind != "Pod" or not item.spec.node_name or item.status.phase in _ENDED:
        return 0
    return seconds(asked if asked is not None else item.spec.termination_grace_period_seconds)
