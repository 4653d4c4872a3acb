"""Events: when, what, about which object."""

from datetime import datetime
from typing import Any

from api.core import Event
from master.apiserver.tables.cells import age
from master.apiserver.tables.column import NAME, Column, TableShape, wide


def _cells(event: Event, now: datetime) -> list[Any]:
    first = event.first_timestamp or event.event_time
    last = event.last_timestamp or first
    count = event.count or 1
    if event.series is not None:
        last, count = event.series.last_observed_time or last, event.series.count
    return [
        age(last, now),
        event.type,
        event.reason,
        _target(event),
        event.involved_object.field_path,
        _source(event),
        event.message.strip(),
        age(first, now),
        count,
        event.metadata.name,
    ]


def _target(event: Event) -> str:
    kind, name = event.involved_object.kind.lower(), event.involved_object.name
    return f"{kind}/{name}" if name else kind


def _source(event: Event) -> str:
    component = (event.source.component if event.source else "") or event.reporting_component
    host = (event.source.host if event.source else "") or event.reporting_instance
    return f"{component}, {host}" if host else component


SHAPE = TableShape(
    (
        Column("Last Seen", "Time since it was seen last."),
        Column("Type", "Normal or Warning."),
        Column("Reason", "Why, as one word."),
        Column("Object", "About which object."),
        wide("Subobject", "About which part of it."),
        wide("Source", "Who reported it."),
        Column("Message", "What happened."),
        wide("First Seen", "Time since it was seen first."),
        Column("Count", "How often it was seen.", priority=1),
        Column(NAME.name, NAME.text, format="name", priority=1),
    ),
    _cells,
)
