"""Events: what people see under ``kubectl describe``. Sent in the background, counted when repeated.

Telling of something must never hold up doing it: ``event`` only queues, and an event that cannot be queued or sent is
dropped with a line in the log.
"""

import logging
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from api.core import Event, EventSource, ObjectReference
from api.errors import ApiError, NotFound
from api.meta import Object, ObjectMeta
from api.resources import resource_of
from api.scalars import now
from client.client import Client
from client.transport import Unreachable

log = logging.getLogger(__name__)

_REMEMBERED = 1024
_QUEUED = 1000
# 253 characters are a whole name; a dot and sixteen digits follow.
_NAME_CUT = 253 - 17
_Identity = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Seen:
    """Name, namespace and count of an event that was sent before."""

    name: str
    namespace: str
    count: int


class EventRecorder:
    """Reports events of one component, in a thread of its own."""

    def __init__(self, client: Client, component: str, *, host: str = "") -> None:
        self._client = client
        self._source = EventSource(component=component, host=host)
        self._queue: queue.Queue[Event | None] = queue.Queue(_QUEUED)
        self._seen: OrderedDict[_Identity, _Seen] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name=f"events-{component}", daemon=True)
        self._thread.start()

    def event(self, about: Object | ObjectReference, event_type: str, reason: str, message: str) -> None:
        """``event_type`` is Normal or Warning, ``reason`` a CamelCase word; a message is cut at 1,024 characters."""
        reference = about if isinstance(about, ObjectReference) else reference_to(about)
        moment = now()
        event = Event(
            # Cluster-wide objects have their events in the namespace default, as Kubernetes has it.
            metadata=ObjectMeta(name=_event_name(reference), namespace=reference.namespace or "default"),
            involved_object=reference,
            reason=reason,
            message=message[:1024],
            source=self._source,
            first_timestamp=moment,
            last_timestamp=moment,
            count=1,
            type=event_type,
            reporting_component=self._source.component,
            reporting_instance=self._source.host,
        )
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            log.warning("event dropped, queue full reason=%s about=%s/%s", reason, reference.namespace, reference.name)

    def close(self, timeout_s: float = 2.0) -> None:
        """Sends what is queued, within the limit."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._send(event)
            except (ApiError, Unreachable) as error:
                log.warning("event not sent reason=%s message=%s error=%s", event.reason, event.message, error)

    def _send(self, event: Event) -> None:
        about = event.involved_object
        identity = (
            about.uid or f"{about.kind}/{about.name}",
            about.field_path,
            event.type,
            event.reason,
            event.message,
        )
        seen = self._seen.get(identity)
        if seen is not None and self._count(seen, event):
            self._seen.move_to_end(identity)
            return
        self._client.create(event)
        self._seen[identity] = _Seen(event.metadata.name, event.metadata.namespace, 1)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _count(self, seen: _Seen, event: Event) -> bool:
        """Counts a repeated event; False when the earlier one has expired on the server."""
        patch = {"count": seen.count + 1, "lastTimestamp": event.last_timestamp}
        try:
            self._client.patch(Event, seen.name, seen.namespace, patch, form="merge")
        except NotFound:
            return False
        seen.count += 1
        return True


def _event_name(about: ObjectReference) -> str:
    """The object's name, cut so that the whole is a name itself, and the time in nanoseconds."""
    return f"{about.name[:_NAME_CUT].rstrip('.-')}.{time.time_ns():x}"


def reference_to(item: Object) -> ObjectReference:
    """A reference to an object, with the identity and version that it has now."""
    resource = resource_of(type(item))
    return ObjectReference(
        api_version=resource.api_version,
        kind=resource.kind,
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        uid=item.metadata.uid,
        resource_version=item.metadata.resource_version,
    )
