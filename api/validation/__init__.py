"""Whether an object keeps the rules. All faults are found, each with the path of its field.

What a declaration says (required, enum, bounds, form) is checked for every part in ``declared``; what depends on
several fields stands in the file of the kind.
"""

from collections.abc import Callable
from typing import Any

from api.core import Event, Namespace, Pod, ReplicationController, Service
from api.errors import FieldError
from api.meta import Object
from api.validation.declared import declared_errors, immutable_errors
from api.validation.metadata import metadata_errors, metadata_update_errors
from api.validation.namespace import namespace_name_errors
from api.validation.pod import pod_errors, pod_update_errors
from api.validation.service import service_errors, service_update_errors
from api.validation.workload import replication_controller_errors

_CREATE: dict[type[Object], Callable[[Any], list[FieldError]]] = {
    Namespace: namespace_name_errors,
    Pod: pod_errors,
    ReplicationController: replication_controller_errors,
    Service: service_errors,
}
_UPDATE: dict[type[Object], Callable[[Any, Any], list[FieldError]]] = {
    Pod: pod_update_errors,
    Service: service_update_errors,
}


def validate_create(item: Object) -> list[FieldError]:
    """What is wrong with a new object; empty when nothing is. Defaults have been applied."""
    # Events are written by machines by the thousand; Kubernetes checks no more of them either.
    declared = [] if isinstance(item, Event) else declared_errors(item)
    rule = _CREATE.get(type(item))
    return _once(metadata_errors(item) + declared + (rule(item) if rule else []))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """What is wrong with a changed object; empty when nothing is."""
    rule = _UPDATE.get(type(new))
    changes = metadata_update_errors(new, old) + immutable_errors(new, old) + (rule(new, old) if rule else [])
    return _once(validate_create(new) + changes)


def _once(errors: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(errors))
