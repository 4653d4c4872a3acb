"""Brings the EndpointSlices of one service to what they should be."""

from collections.abc import Iterable, Mapping

from api.discovery import EndpointSlice
from api.errors import AlreadyExists, NotFound
from api.meta import Object
from client import Client
from master.controllers.triggers import TRIGGER_TIME


def create(client: Client, item: Object) -> bool:
    """Whether it was made now."""
    try:
        client.create(item)
    except AlreadyExists:
        # Made a moment ago and not yet seen: the watch will bring it and with it another look.
        return False
    return True


def write_slices(client: Client, wanted: Iterable[EndpointSlice], existing: Mapping[str, EndpointSlice]) -> bool:
    """Whether anything was written. ``existing``: the writer's own slices, by name."""
    changed, left_over = False, dict(existing)
    for item in wanted:
        before = left_over.pop(item.metadata.name, None)
        if before is None:
            changed |= create(client, item)
        elif _content(before) != _content(item):
            item.metadata.resource_version = before.metadata.resource_version
            client.update(item)
            changed = True
    for item in left_over.values():
        try:
            client.delete(EndpointSlice, item.metadata.name, item.metadata.namespace, uid=item.metadata.uid)
        except NotFound:
            continue
    return changed or bool(left_over)


def _content(item: EndpointSlice) -> tuple[object, ...]:
    meta = item.metadata
    annotations = {key: value for key, value in meta.annotations.items() if key != TRIGGER_TIME}
    return meta.labels, meta.owner_references, annotations, item.endpoints, item.ports
