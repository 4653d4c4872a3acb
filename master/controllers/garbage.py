"""Garbage collector: what is owned goes when its last owner has gone.

``Background`` deletion needs nothing but this. ``Orphan`` and ``Foreground`` are marked on the owner by finalizers,
which are taken away here once the dependents are free, or gone.

An owner must be in the namespace of what it owns, or in none: another one counts as absent, as in Kubernetes.

An owner counts as gone, and an object as its dependent, only when the API server itself says so: a slow watch must not
cost anyone a pod.
"""

from typing import Any

from api.errors import NotFound
from api.meta import Object, OwnerReference
from api.resources import find_kind, resource_of
from client import Client, EventRecorder
from master.controllers.informers import BY_OWNER, BY_UID, Informers, owner_uids
from master.controllers.loop import Key, Loop

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_UID = "uid"


class GarbageCollector:
    """Keys of its queue: ("uid", UID of an owner)."""

    name = "garbage"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, *, workers: int = 1) -> None:
        self._client = client
        self._recorder = recorder
        self._informers = informers
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._of_kind = {resource_of(informer.kind).kind: informer for informer in informers.owned}
        for informer in informers.owned:
            informer.add_listener(self._changed)

    def _changed(self, old: Any, new: Any) -> None:
        """A new or changed object is looked at with its owners; one that is gone or going, with its dependents."""
        item = new or old
        if new is None or new.metadata.deletion_timestamp is not None:
            self.loop.queue.add((_UID, item.metadata.uid))
        # An owner may have gone before its dependent was made; one that stands by a foreground deletion waits for it
        # to go, or to be no dependent of its any more.
        if old is None or new is None or old.metadata.owner_references != new.metadata.owner_references:
            named = (*item.metadata.owner_references, *(old or item).metadata.owner_references)
            for owner in {one.uid: one for one in named}.values():
                if not self._stays(owner, item):
                    self.loop.queue.add((_UID, owner.uid))

    def _stays(self, named: OwnerReference, item: Object) -> bool:
        """Whether there is nothing to look at for an owner because of one object: it is there, it is meant, and it does
        not go. When it does, its own change tells; and the object is in the copy by now.
        """
        # Asked for each new object: not all kinds are searched, only the one that is named.
        kind = self._of_kind.get(named.kind)
        found = kind.indexed(BY_UID, named.uid) if kind is not None else []
        return any(owner.metadata.deletion_timestamp is None and _names(item, owner) for owner in found)

    def reconcile(self, key: Key) -> str:
        dependents = self._dependents(key[1])
        owner = self._known(key[1])
        if owner is None:
            return self._collect(key[1], dependents)
        strangers = [item for item in dependents if not _names(item, owner)]
        if strangers:
            self._warn(owner, strangers)
            self._collect(key[1], strangers)
            dependents = [item for item in dependents if item not in strangers]
        if owner.metadata.deletion_timestamp is None:
            return ""
        if ORPHAN in owner.metadata.finalizers:
            for item in self._live_dependents(owner):
                self._disown(item, key[1])
            return self._take_finalizer(owner, ORPHAN)
        if FOREGROUND in owner.metadata.finalizers:
            return self._foreground(owner, dependents)
        return ""

    def _dependents(self, uid: str) -> list[Object]:
        return [item for informer in self._informers.owned for item in informer.indexed(BY_OWNER, uid)]

    def _live_dependents(self, owner: Object) -> list[Object]:
        """As the API server has them: one that a slow watch has not told of yet would be collected after its owner."""
        meta = owner.metadata
        found: list[Object] = []
        for informer in self._informers.owned:
            if informer.served and (resource_of(informer.kind).namespaced or not meta.namespace):
                listing = self._client.list(informer.kind, meta.namespace, metadata_only=True)
                found += (item for item in listing.items if meta.uid in owner_uids(item) and _names(item, owner))
        return found

    def _known(self, uid: str) -> Object | None:
        return next((item for informer in self._informers.owned for item in informer.indexed(BY_UID, uid)), None)

    def _warn(self, owner: Object, strangers: list[Object]) -> None:
        meta, kind = owner.metadata, resource_of(type(owner))
        for item in strangers:
            space = item.metadata.namespace
            if meta.namespace in ("", space):
                continue
            shown = f"[{kind.api_version}/{kind.kind}, namespace: {space}, name: {meta.name}, uid: {meta.uid}]"
            said = f'ownerRef {shown} does not exist in namespace "{space}"'
            self._recorder.event(item, "Warning", "OwnerRefInvalidNamespace", said)

    def _collect(self, uid: str, dependents: list[Object]) -> str:
        staying = [item for item in dependents if item.metadata.deletion_timestamp is None]
        # One object may name its owner wrongly; that must not cost the others.
        orphans = [live for item in staying if (live := self._live(item, uid)) and not self._exists(uid, live)]
        for item in orphans:
            if len(item.metadata.owner_references) > 1:
                self._disown(item, uid)
            else:
                self._delete(item)
        return f"freed or deleted {len(orphans)} dependents" if orphans else ""

    def _live(self, item: Object, uid: str) -> Object | None:
        """The object as the API server has it, if it still depends on that owner: it may just have been freed."""
        metadata = item.metadata
        try:
            live = self._client.get(type(item), metadata.name, metadata.namespace)
        except NotFound:
            return None
        return live if live.metadata.uid == metadata.uid and uid in owner_uids(live) else None

    def _exists(self, uid: str, dependent: Object) -> bool:
        """Whether the API server has that very owner. A kind that is not served here is none of our business."""
        owner = next(owner for owner in dependent.metadata.owner_references if owner.uid == uid)
        resource = find_kind(owner.api_version, owner.kind)
        if resource is None or (resource.namespaced and not dependent.metadata.namespace):
            # Nor is an owner that cannot be looked up.
            return True
        namespace = dependent.metadata.namespace if resource.namespaced else ""
        try:
            return self._client.get(resource.type, owner.name, namespace).metadata.uid == uid
        except NotFound:
            return False

    def _delete(self, item: Object, *, propagation: str = "") -> None:
        """By default in the way that its finalizers ask for."""
        metadata = item.metadata
        asked = {ORPHAN: "Orphan", FOREGROUND: "Foreground"}
        by_finalizer = next((how for mark, how in asked.items() if mark in metadata.finalizers), "Background")
        try:
            self._client.delete(
                type(item),
                metadata.name,
                metadata.namespace,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
                propagation=propagation or by_finalizer,
            )
        except NotFound:
            return

    def _disown(self, item: Object, uid: str) -> None:
        metadata = item.metadata
        # The version guards against two owners being taken off at the same time, which would leave it to nobody.
        guard = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        patch = {"metadata": {**guard, "ownerReferences": [{"$patch": "delete", "uid": uid}]}}
        try:
            self._client.patch(type(item), metadata.name, metadata.namespace, patch)
        except NotFound:
            return

    def _foreground(self, owner: Object, dependents: list[Object]) -> str:
        uid = owner.metadata.uid
        blocked = False
        for item in dependents:
            live = item if item.metadata.deletion_timestamp is not None else self._live(item, uid)
            if live is None:
                continue
            if self._has_another(live, uid):
                self._disown(live, uid)
                continue
            blocked |= _blocks(live, uid)
            if live.metadata.deletion_timestamp is None:
                self._delete_below(live)
        return "" if blocked else self._take_finalizer(owner, FOREGROUND)

    def _has_another(self, item: Object, uid: str) -> bool:
        """Whether an object has another owner, that does not wait for its dependents to go."""
        others = [owner.uid for owner in item.metadata.owner_references if owner.uid != uid]
        return any(not _is_waiting(self._known(other)) and self._exists(other, item) for other in others)

    def _delete_below(self, item: Object) -> None:
        """What has dependents of its own waits for them too."""
        below = self._dependents(item.metadata.uid)
        if any(_is_waiting(one) for one in below):
            # They may own each other in a circle: each would wait for the others for ever.
            item = self._unblock(item)
        self._delete(item, propagation="Foreground" if below else "")

    def _unblock(self, item: Object) -> Object:
        """Its owners need not wait for it any more."""
        metadata = item.metadata
        owners = [{"uid": one.uid, "blockOwnerDeletion": False} for one in metadata.owner_references]
        patch = {"metadata": {"uid": metadata.uid, "ownerReferences": owners}}
        return self._client.patch(type(item), metadata.name, metadata.namespace, patch)

    def _take_finalizer(self, owner: Object, finalizer: str) -> str:
        metadata = owner.metadata
        patch = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "finalizers": [name for name in metadata.finalizers if name != finalizer],
            }
        }
        try:
            self._client.patch(type(owner), metadata.name, metadata.namespace, patch, form="merge")
        except NotFound:
            return ""
        return f"let {resource_of(type(owner)).singular} {metadata.name} go"


def _names(item: Object, owner: Object) -> bool:
    """Whether the object names that very owner: a UID is not enough."""
    meta, kind = owner.metadata, resource_of(type(owner)).kind
    named = (one for one in item.metadata.owner_references if one.uid == meta.uid)
    return meta.namespace in ("", item.metadata.namespace) and all((o.name, o.kind) == (meta.name, kind) for o in named)


def _is_waiting(owner: Object | None) -> bool:
    """Whether it goes when its dependents have gone."""
    return (
        owner is not None and owner.metadata.deletion_timestamp is not None and FOREGROUND in owner.metadata.finalizers
    )


def _blocks(item: Object, uid: str) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for owner in item.metadata.owner_references)
