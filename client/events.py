"""Events: what people see under ``kubectl describe``. Sent in the background, counted when repeated.

Telling of something must never hold up doing it: ``event`` only queues. What waits is bounded by what is different, for
a repeat is counted where the first one waits; an event that still finds no room is dropped, with a line in the log.
While the API server is away, what waits goes on waiting.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from api.core import Event, EventSource, ObjectReference
from api.errors import AlreadyExists, ApiError, NotFound
from api.meta import Object, ObjectMeta
from api.resources import resource_of
from api.scalars import now
from client.client import Client
from client.correlation import COMBINED, Correlator, Group, Recent
from client.transport import Unreachable

log = logging.getLogger(__name__)

# About ten seconds of a scheduler that binds as fast as it can, and some six megabytes.
_WAITING_MAX = 10_000
_FIRST_DELAY_S, _LAST_DELAY_S = 0.2, 10.0
_TRIED_MAX = 12
_SAY_DROPPED_S = 10.0
# 253 characters are a whole name; a dot and sixteen digits follow.
_NAME_CUT = 253 - 17
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class _Told:
    """An event that waits; ``count`` is how often it was told since."""

    about: ObjectReference
    type: str
    reason: str
    message: str
    first: datetime
    last: datetime
    annotations: Mapping[str, str]
    count: int = 1


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
        self._correlator = Correlator(time.monotonic)
        self._waiting: OrderedDict[Group, _Told] = OrderedDict()
        self._seen: Recent[Group, _Seen] = Recent()
        self._changed = threading.Condition()
        self._closing = False
        self._giving_up = threading.Event()
        self._dropped, self._say_dropped = 0, 0.0
        # Started by the first event: most controllers have nothing to tell for days.
        self._thread = threading.Thread(target=self._run, name=f"events-{component}", daemon=True)

    def event(
        self,
        about: Object | ObjectReference,
        event_type: str,
        reason: str,
        message: str,
        *,
        annotations: Mapping[str, str] = NOTHING,
    ) -> None:
        """``event_type`` is Normal or Warning, ``reason`` a CamelCase word; a message is cut at 1,024 characters.

        ``annotations`` hold what differs from time to time: equal messages are one event, with the newest of them.
        """
        reference = about if isinstance(about, ObjectReference) else reference_to(about)
        who = (reference.uid or f"{reference.kind}/{reference.namespace}/{reference.name}",)
        moment = now()
        with self._changed:
            if not self._correlator.admits(who):
                log.debug("event left out, too many of it reason=%s about=%s", reason, reference.name)
                return
            group = (*who, reference.field_path, event_type, reason)
            gathered = self._correlator.gathers(group, message)
            key, text = (group, COMBINED + message) if gathered else ((*group, message), message)
            before = self._waiting.get(key)
            if before is not None:
                before.count, before.last, before.message = before.count + 1, moment, text[:1024]
                before.annotations = annotations
            elif len(self._waiting) < _WAITING_MAX:
                self._waiting[key] = _Told(reference, event_type, reason, text[:1024], moment, moment, annotations)
                self._changed.notify()
            else:
                self._drop()
            if self._thread.ident is None:
                self._thread.start()

    def _drop(self) -> None:
        """A burst of them is one line."""
        self._dropped += 1
        if time.monotonic() >= self._say_dropped:
            self._say_dropped = time.monotonic() + _SAY_DROPPED_S
            log.warning("events dropped, too many wait dropped_so_far=%d", self._dropped)

    def close(self, timeout_s: float = 2.0) -> None:
        """Sends what waits, within the limit."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._giving_up.set()

    def _run(self) -> None:
        while not self._giving_up.is_set():
            with self._changed:
                while not self._waiting:
                    if self._closing:
                        return
                    self._changed.wait()
                key, told = self._waiting.popitem(last=False)
            self._deliver(key, told)

    def _deliver(self, key: Group, told: _Told) -> None:
        """Until the server has it or refuses it. A server that is away or in trouble is asked again."""
        name, delay_s, tried = _event_name(told.about), _FIRST_DELAY_S, 0
        while True:
            try:
                self._send(key, told, name)
                return
            except (ApiError, Unreachable) as error:
                tried += 1
                refused = isinstance(error, ApiError) and error.code < 500
                if refused or (isinstance(error, ApiError) and tried >= _TRIED_MAX) or self._giving_up.wait(delay_s):
                    log.warning("event not sent reason=%s message=%s error=%s", told.reason, told.message, error)
                    return
                delay_s = min(2 * delay_s, _LAST_DELAY_S)

    def _send(self, key: Group, told: _Told, name: str) -> None:
        seen = self._seen.get(key)
        if seen is not None and self._count(seen, told):
            return
        event = self._made(told, name)
        try:
            self._client.create(event)
        except AlreadyExists:
            # The answer to the first try was lost.
            log.debug("event was there already name=%s", name)
        self._seen.put(key, _Seen(name, event.metadata.namespace, told.count))

    def _made(self, told: _Told, name: str) -> Event:
        return Event(
            # Cluster-wide objects have their events in the namespace default, as Kubernetes has it.
            metadata=ObjectMeta(
                name=name, namespace=told.about.namespace or "default", annotations=dict(told.annotations)
            ),
            involved_object=told.about,
            reason=told.reason,
            message=told.message,
            source=self._source,
            first_timestamp=told.first,
            last_timestamp=told.last,
            count=told.count,
            type=told.type,
            reporting_component=self._source.component,
            reporting_instance=self._source.host,
        )

    def _count(self, seen: _Seen, told: _Told) -> bool:
        """Counts a repeated event; False when the earlier one has expired on the server."""
        patch: dict[str, object] = {
            "count": seen.count + told.count,
            "lastTimestamp": told.last,
            "message": told.message,
        }
        if told.annotations:
            patch["metadata"] = {"annotations": dict(told.annotations)}
        try:
            self._client.patch(Event, seen.name, seen.namespace, patch, form="merge")
        except NotFound:
            return False
        seen.count += told.count
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
