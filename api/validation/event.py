"""Events in the newer form. Those in the core group's form are taken as they come, as Kubernetes does."""

from collections.abc import Iterator
from typing import Any

from api import core
from api.codec import plain
from api.errors import FieldError, forbidden, invalid, not_supported, required
from api.events import Event
from api.formats import dns_subdomain, qualified_name

_NOTE_MAX = 1024
_WORD_MAX = 128
_TYPES = ("Normal", "Warning")
_FORMER = ("deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount")
# All but the series: an event that is seen again is counted, not rewritten.
_KEPT = (
    *("regarding", "related", "reason", "note", "type", "eventTime", "action"),
    *("reportingController", "reportingInstance", *_FORMER),
)


def core_event_errors(event: core.Event) -> list[FieldError]:
    """An event stands where its object is; one of a cluster-wide object in ``default``. What has an ``eventTime`` is of
    the newer form, whichever way it comes."""
    namespace, own = event.involved_object.namespace, event.metadata.namespace
    if event.event_time is not None:
        astray = not namespace and own not in ("default", "kube-system")
        errors = [invalid("involvedObject.namespace", namespace, "does not match event.namespace")] if astray else []
        return errors + _told_errors(event.reporting_component, event.reporting_instance, event.action, event.reason)
    if own == (namespace or "default") or (not namespace and not own):
        return []
    return [invalid("involvedObject.namespace", namespace, "does not match event.namespace")]


def event_errors(event: Event) -> list[FieldError]:
    """Faults of a new event (Kubernetes' ``validateV1EventSeries`` and ``ValidateEventCreate``)."""
    errors = _series_errors(event)
    errors += [required("eventTime")] if event.event_time is None else []
    if event.metadata.name and (wrong := dns_subdomain(event.metadata.name)):
        errors.append(invalid("metadata.name", event.metadata.name, wrong))
    errors += _told_errors(event.reporting_controller, event.reporting_instance, event.action, event.reason)
    if event.type not in _TYPES:
        errors.append(not_supported("type", event.type, _TYPES))
    if len(event.note) > _NOTE_MAX:
        errors.append(invalid("note", "", f"can have at most {_NOTE_MAX} characters"))
    document = plain(event)
    return [*errors, *(forbidden(name, "needs to be unset") for name in _FORMER if document.get(name))]


def _series_errors(event: Event) -> list[FieldError]:
    if event.series is None:
        return []
    errors = [invalid("series.count", "", "should be at least 2")] if event.series.count < 2 else []
    return errors + ([required("series.lastObservedTime")] if event.series.last_observed_time is None else [])


def _told_errors(controller: str, instance: str, action: str, reason: str) -> list[FieldError]:
    """Of who tells what."""
    errors = _word_errors("reportingInstance", instance) + _word_errors("action", action)
    errors += _word_errors("reason", reason)
    if not controller:
        errors.append(required("reportingController"))
    elif wrong := qualified_name(controller):
        errors.append(invalid("reportingController", controller, wrong))
    return errors


def _word_errors(path: str, value: str) -> list[FieldError]:
    if not value:
        return [required(path)]
    return [invalid(path, "", f"can have at most {_WORD_MAX} characters")] if len(value) > _WORD_MAX else []


def event_update_errors(new: Event, old: Event) -> list[FieldError]:
    """Faults of a change: only the series, labels and annotations may be others."""
    after, before = plain(new), plain(old)
    return (_series_errors(new) if new.series != old.series else []) + list(_changed(after, before))


def _changed(after: dict[str, Any], before: dict[str, Any]) -> Iterator[FieldError]:
    for name in _KEPT:
        if after.get(name) != before.get(name):
            yield invalid(name, after.get(name), "field is immutable")
