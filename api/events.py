"""Event in its newer form (``events.k8s.io/v1``), and the way between it and the one of the core group.

Both forms are of the same stored events. The rule: nothing that one form can say is lost on the way through the other.
"""

from typing import Annotated

import msgspec
from msgspec.structs import asdict

from api import core
from api.core import EventSource, ObjectReference
from api.meta import Object
from api.scalars import Int32, MicroTime, Time
from api.struct import F, Struct


class EventSeries(Struct):
    """How often an event was seen; each must be said, where the core form leaves it open."""

    count: Annotated[Int32, F(1, "How often.", required=True)] = 0
    last_observed_time: Annotated[MicroTime | None, F(2, "When last.", required=True)] = None


class Event(Object):
    """Something that happened to an object."""

    event_time: Annotated[MicroTime | None, F(2, "When it was seen first.", listed=True)] = None
    series: Annotated[EventSeries | None, F(3, "How often it was seen; none for once.")] = None
    reporting_controller: Annotated[str, F(4, "Who reported it, as kubernetes.io/kubelet.")] = ""
    reporting_instance: Annotated[str, F(5, "Which instance of it.")] = ""
    action: Annotated[str, F(6, "What was done about it.")] = ""
    reason: Annotated[str, F(7, "CamelCase word for programs.")] = ""
    regarding: Annotated[ObjectReference, F(8, "To which object.")] = msgspec.field(default_factory=ObjectReference)
    related: Annotated[ObjectReference | None, F(9, "Another object that it concerns.")] = None
    note: Annotated[str, F(10, "Sentence for people.")] = ""
    type: Annotated[str, F(11, "Normal or Warning.")] = ""
    deprecated_source: Annotated[EventSource | None, F(12, "Who reported it, in the older form.")] = None
    deprecated_first_timestamp: Annotated[Time | None, F(13, "When it was seen first, in the older form.")] = None
    deprecated_last_timestamp: Annotated[Time | None, F(14, "When it was seen last, in the older form.")] = None
    deprecated_count: Annotated[Int32, F(15, "How often it was seen, in the older form.")] = 0


# What stands under another name in the core form; the rest has one name.
_NAMES = {
    "reporting_controller": "reporting_component",
    "regarding": "involved_object",
    "note": "message",
    "deprecated_source": "source",
    "deprecated_first_timestamp": "first_timestamp",
    "deprecated_last_timestamp": "last_timestamp",
    "deprecated_count": "count",
}
_OWN = ("api_version", "kind")
_PAIRS = tuple(
    (field, _NAMES.get(field, field)) for field in (f.name for f in msgspec.structs.fields(Event)) if field not in _OWN
)


def core_path(path: str) -> str:
    """The attribute path in the core form of one in this form: ``regarding.kind`` is ``involved_object.kind``."""
    first, dot, rest = path.partition(".")
    return _NAMES.get(first, first) + dot + rest


def to_core(event: Event) -> core.Event:
    made = core.Event(**{there: getattr(event, here) for here, there in _PAIRS})
    if event.series is not None:
        made.series = core.EventSeries(**asdict(event.series))
    return made


def from_core(event: core.Event) -> Event:
    made = Event(
        api_version="events.k8s.io/v1", kind="Event", **{here: getattr(event, there) for here, there in _PAIRS}
    )
    if event.series is not None:
        made.series = EventSeries(**asdict(event.series))
    return made
