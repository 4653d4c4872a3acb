"""Event: something that happened to an object. Binding: a pod is given a node."""

from typing import Annotated

import msgspec

from api.core.references import ObjectReference
from api.meta import Object, ObjectMeta
from api.scalars import Int32, MicroTime, Time
from api.struct import F, Struct, always


class EventSource(Struct):
    """Who reported an event."""

    component: Annotated[str, F(1, "Name of the component.")] = ""
    host: Annotated[str, F(2, "Name of its node.")] = ""


class EventSeries(Struct):
    """How often an event was seen."""

    count: Annotated[Int32, F(1, "How often.")] = 0
    last_observed_time: Annotated[MicroTime | None, F(2, "When last.")] = None


class Event(Object):
    """Something that happened to an object."""

    metadata: Annotated[ObjectMeta, F(1, "Name, labels and history.", listed=True)] = msgspec.field(
        default_factory=ObjectMeta
    )
    involved_object: Annotated[ObjectReference, F(2, "To which object.", listed=True)] = msgspec.field(
        default_factory=ObjectReference
    )
    reason: Annotated[str, F(3, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(4, "Sentence for people.")] = ""
    source: Annotated[EventSource | None, F(5, "Who reported it.")] = None
    first_timestamp: Annotated[Time | None, F(6, "When it was seen first.")] = None
    last_timestamp: Annotated[Time | None, F(7, "When it was seen last.")] = None
    count: Annotated[Int32, F(8, "How often it was seen.")] = 0
    type: Annotated[str, F(9, "Normal or Warning.")] = ""
    event_time: Annotated[MicroTime | None, F(10, "When it was seen first, in the newer form.")] = None
    series: Annotated[EventSeries | None, F(11, "How often, in the newer form.")] = None
    action: Annotated[str, F(12, "What was done about it.")] = ""
    related: Annotated[ObjectReference | None, F(13, "Another object that it concerns.")] = None
    reporting_component: Annotated[str, F(14, "Who reported it, in the newer form.")] = always(str)
    reporting_instance: Annotated[str, F(15, "Which instance of it.")] = always(str)


class Binding(Object):
    """Gives a pod a node."""

    target: Annotated[ObjectReference, F(2, "The node.", required=True)] = msgspec.field(
        default_factory=ObjectReference
    )
