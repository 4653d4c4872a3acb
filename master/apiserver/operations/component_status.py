"""GET of ``componentstatuses``: are the parts of the master there? Worked out for each call, never stored.

The store says so itself. Controllers and scheduler work through watches: one that has none open does not work.
"""

from collections.abc import Iterator

from api.codec import encode
from api.core import ComponentCondition, ComponentStatus
from api.meta import ListMeta, ObjectMeta
from api.resources import resource_of
from api.selectors import EVERYTHING
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Stream
from master.apiserver.registry import not_found
from master.apiserver.rendering import list_answer, object_answer
from master.apiserver.selection import selection_of
from master.store.contract import StoreError

_USERS = {"controller-manager": "system:kube-controller-manager", "scheduler": "system:kube-scheduler"}
# The name under which Kubernetes' tools look for the store.
_STORE = "etcd-0"
_DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"


def get(backend: Backend, call: Call) -> Response:
    """Raises NotFound."""
    call.warnings.append(_DEPRECATED)
    for component in _components(backend):
        if component.metadata.name == call.target.name:
            return object_answer(call, encode(component))
    raise not_found(call.target.resource, call.target.name)


def list_objects(backend: Backend, call: Call) -> Response | Stream:
    """Raises BadRequest for a selector that cannot be read."""
    call.warnings.append(_DEPRECATED)
    selection = selection_of(call)
    # Components have no labels: what a label selector asks for, it asks for in vain.
    bare = selection.labels is EVERYTHING or selection.labels.matches({})
    picked = [
        encode(component)
        for component in _components(backend)
        if bare
        and all(
            (component.metadata.name == term.value if term.field == "metadata.name" else not term.value) is term.equal
            for term in selection.fields
        )
    ]
    return list_answer(call, picked, ListMeta())


def _components(backend: Backend) -> Iterator[ComponentStatus]:
    for name, user in _USERS.items():
        watches = backend.presence.watches(user)
        yield _component(name, "" if watches else f"no watch of {user} is open")
    yield _component(_STORE, _store_error(backend))


def _store_error(backend: Backend) -> str:
    try:
        _ = backend.registry.store.revision
    except StoreError as error:
        return str(error)
    return ""


def _component(name: str, wrong: str) -> ComponentStatus:
    resource = resource_of(ComponentStatus)
    condition = ComponentCondition(
        type="Healthy", status="False" if wrong else "True", message=wrong or "ok", error=wrong
    )
    return ComponentStatus(
        api_version=resource.api_version,
        kind=resource.kind,
        metadata=ObjectMeta(name=name),
        conditions=[condition],
    )
