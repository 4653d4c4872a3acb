"""Namespace controller: empties a namespace that is being deleted, and then lets it go.

One call deletes all of a kind. While something stays, the conditions of the namespace say what and why, in the words
of Kubernetes. It looks again when the last object inside has gone, and now and then for what nobody follows.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from api.codec import encode
from api.core import Namespace, NamespaceCondition
from api.errors import ApiError, MethodNotAllowed, NotFound
from api.meta import Object
from api.resources import RESOURCES, Resource
from api.scalars import now
from client import Client
from master.controllers.informers import BY_NAMESPACE, Informers
from master.controllers.loop import Key, Loop

FINALIZER = "kubernetes"
# For events and leases, which no informer follows, and for the counts in the conditions.
_LOOK_AGAIN_S = 10.0


@dataclass(slots=True)
class Left:
    """What is still inside: how many of each kind, how many wait for each finalizer, and what went wrong."""

    kinds: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.kinds or self.errors)


class NamespaceController:
    """Deletes what is inside, waits until it is gone, and takes its own finalizer away."""

    name = "namespace"

    def __init__(self, client: Client, informers: Informers, *, workers: int = 1) -> None:
        self._client = client
        self._namespaces = informers.namespaces
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._namespaces.add_listener(self._namespace_changed)
        self._inside = informers.owned
        for informer in self._inside:
            informer.add_listener(self._object_changed)

    def _namespace_changed(self, _old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and new.metadata.deletion_timestamp is not None:
            self.loop.queue.add(("", new.metadata.name))

    def _object_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None or old is None or not (space := old.metadata.namespace):
            return
        namespace = self._namespaces.get("", space)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return
        # Each look asks for all kinds: one when the last object has gone does for all of them.
        if not any(informer.indexed(BY_NAMESPACE, space) for informer in self._inside):
            self.loop.queue.add(("", space))

    def reconcile(self, key: Key) -> str:
        namespace = self._namespaces.get(*key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return ""
        if FINALIZER not in namespace.spec.finalizers:
            return ""
        left = Left()
        for resource in RESOURCES:
            if resource.namespaced:
                self._empty(resource, key[1], left)
        if left:
            self._tell(namespace, left)
            self.loop.queue.add_after(key, _LOOK_AGAIN_S)
            return ""
        self._finalize(namespace)
        return "emptied the namespace"

    def _empty(self, resource: Resource, namespace: str, left: Left) -> None:
        """Deletes all objects of one kind, and counts what is there after it."""
        try:
            items = self._items(resource, namespace)
            if any(item.metadata.deletion_timestamp is None for item in items):
                self._delete(resource, namespace, items)
                items = self._items(resource, namespace)
        except ApiError as error:
            left.errors.append(str(error))
            return
        if items:
            left.kinds[resource.qualified + ("" if resource.group else ".")] += len(items)
        left.finalizers.update(name for item in items for name in item.metadata.finalizers)

    def _items(self, resource: Resource, namespace: str) -> list[Object]:
        try:
            return self._client.list(resource.type, namespace, metadata_only=True).items
        except NotFound:
            # Another API server may not serve this kind.
            return []

    def _delete(self, resource: Resource, namespace: str, items: list[Object]) -> None:
        """Pods keep their grace; the rest goes at once."""
        try:
            self._client.delete_collection(resource.type, namespace)
            return
        except MethodNotAllowed:
            # Kubernetes before 1.23 has none for services.
            pass
        for item in items:
            try:
                self._client.delete(resource.type, item.metadata.name, namespace, uid=item.metadata.uid)
            except NotFound:
                continue

    def _tell(self, namespace: Namespace, left: Left) -> None:
        conditions = conditions_of(namespace, left, now())
        if conditions == namespace.status.conditions:
            return
        status = msgspec.structs.replace(namespace.status, conditions=conditions)
        try:
            self._client.update_status(msgspec.structs.replace(namespace, status=status))
        except NotFound:
            return

    def _finalize(self, namespace: Namespace) -> None:
        rest = [name for name in namespace.spec.finalizers if name != FINALIZER]
        spec = msgspec.structs.replace(namespace.spec, finalizers=rest)
        path = f"/api/v1/namespaces/{namespace.metadata.name}/finalize"
        try:
            self._client.transport.request("PUT", path, body=encode(msgspec.structs.replace(namespace, spec=spec)))
        except NotFound:
            return


def conditions_of(namespace: Namespace, left: Left, moment: datetime) -> list[NamespaceCondition]:
    """What holds the namespace up, or does not any more; others' conditions stay."""
    wanted = {
        "NamespaceDeletionContentFailure": (
            bool(left.errors), "ContentDeletionFailed", "ContentDeleted",
            f"Failed to delete all resource types, {len(left.errors)} remaining: {', '.join(sorted(left.errors))}",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            bool(left.kinds), "SomeResourcesRemain", "ContentRemoved",
            f"Some resources are remaining: {_counted(left.kinds, 'has {} resource instances')}",
            "All content successfully removed",
        ),
        "NamespaceFinalizersRemaining": (
            bool(left.finalizers), "SomeFinalizersRemain", "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: "
            f"{_counted(left.finalizers, 'in {} resource instances')}",
            "All content-preserving finalizers finished",
        ),
    }  # fmt: skip
    before = {one.type: one for one in namespace.status.conditions}
    made = {}
    for kind, (holds, reason, otherwise, said, well) in wanted.items():
        status = "True" if holds else "False"
        old = before.get(kind)
        since = old.last_transition_time if old is not None and old.status == status else moment
        made[kind] = NamespaceCondition(
            type=kind,
            status=status,
            last_transition_time=since,
            reason=reason if holds else otherwise,
            message=said if holds else well,
        )
    return list({**before, **made}.values())


def _counted(counts: Mapping[str, int], how: str) -> str:
    return ", ".join(f"{name} {how.format(counts[name])}" for name in sorted(counts))
