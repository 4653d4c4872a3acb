"""Namespace controller: empties a namespace that is being deleted, and then lets it go."""

import msgspec

from api.codec import encode
from api.core import Namespace
from api.errors import NotFound
from api.resources import RESOURCES, Resource
from client import Client
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop

FINALIZER = "kubernetes"
_LOOK_AGAIN_S = 0.5


class NamespaceController:
    """Deletes what is inside, waits until it is gone, and takes its own finalizer away."""

    name = "namespace"

    def __init__(self, client: Client, informers: Informers, *, workers: int = 1) -> None:
        self._client = client
        self._namespaces = informers.namespaces
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._namespaces.add_listener(self._namespace_changed)

    def _namespace_changed(self, _old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and new.metadata.deletion_timestamp is not None:
            self.loop.queue.add(("", new.metadata.name))

    def reconcile(self, key: Key) -> str:
        namespace = self._namespaces.get(*key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return ""
        if FINALIZER not in namespace.spec.finalizers:
            return ""
        left = sum(self._empty(resource, key[1]) for resource in RESOURCES if resource.namespaced)
        if left:
            self.loop.queue.add_after(key, _LOOK_AGAIN_S)
            return ""
        self._finalize(namespace)
        return "emptied the namespace"

    def _empty(self, resource: Resource, namespace: str) -> int:
        """Deletes all objects of one kind; returns how many were there."""
        try:
            items = self._client.list(resource.type, namespace).items
        except NotFound:
            # Another API server may not serve this kind.
            return 0
        for item in items:
            if item.metadata.deletion_timestamp is not None:
                continue
            try:
                # Pods keep their grace; the rest goes at once.
                self._client.delete(resource.type, item.metadata.name, namespace, uid=item.metadata.uid)
            except NotFound:
                continue
        return len(items)

    def _finalize(self, namespace: Namespace) -> None:
        rest = [name for name in namespace.spec.finalizers if name != FINALIZER]
        spec = msgspec.structs.replace(namespace.spec, finalizers=rest)
        path = f"/api/v1/namespaces/{namespace.metadata.name}/finalize"
        try:
            self._client.transport.request("PUT", path, body=encode(msgspec.structs.replace(namespace, spec=spec)))
        except NotFound:
            return
