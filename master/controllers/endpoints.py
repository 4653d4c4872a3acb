"""Endpoints controller: writes down which pods stand behind each service, as Endpoints and as EndpointSlices.

A service without a selector is left alone: its endpoints are made by hand. What is written here is owned by the
service, and goes with it through the garbage collector.
"""

import time
from datetime import datetime

from api.core import Endpoints, EndpointSubset, Node, Pod, Service
from api.discovery import EndpointSlice
from api.meta import ObjectMeta
from api.selectors import from_map
from client import Client
from master.controllers.backends import (
    MANAGER,
    MANAGER_LABEL,
    OVER_CAPACITY,
    SERVICE_LABEL,
    ZONE_LABEL,
    Groups,
    backends,
    bounded,
    labels,
    pod_uids,
    slices,
    subsets,
)
from master.controllers.informers import BY_NAMESPACE, BY_NODE, BY_OWNER, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import reference
from master.controllers.pods import is_ready
from master.controllers.slicewriting import create, write_slices
from master.controllers.triggers import Triggers, mark

BATCH_S = 0.2


class EndpointsController:
    """Writes what the functions above work out."""

    name = "endpoints"

    def __init__(self, client: Client, informers: Informers, *, workers: int = 1, batch_s: float = BATCH_S) -> None:
        self._client = client
        self._batch_s = batch_s
        # When each service was looked at last.
        self._looked: dict[Key, float] = {}
        self._triggers = Triggers()
        self._services = informers.services
        self._pods = informers.pods
        self._endpoints = informers.endpoints
        self._slices = informers.endpoint_slices
        self._nodes = informers.nodes
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self.loop.follow(self._services)
        self._pods.add_listener(self._pod_changed)
        self._endpoints.add_listener(self._endpoints_changed)
        self._slices.add_listener(self._slice_changed)
        self._nodes.add_listener(self._node_changed)

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> None:
        """Endpoints that someone changed or removed are put right."""
        item = new or old
        if item is not None and self._services.get(item.metadata.namespace, item.metadata.name) is not None:
            self._soon((item.metadata.namespace, item.metadata.name))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        item = new or old
        name = item.metadata.labels.get(SERVICE_LABEL, "") if item is not None else ""
        if item is not None and self._services.get(item.metadata.namespace, name) is not None:
            self._soon((item.metadata.namespace, name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """A pod may be known before the zone of its node is."""
        if new is not None and _zone(new) != _zone(old):
            for pod in self._pods.indexed(BY_NODE, new.metadata.name):
                self._pod_changed(None, pod)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        there = [one for one in (old, new) if one is not None]
        known = self._services.indexed(BY_NAMESPACE, there[0].metadata.namespace)
        services = [one for one in known if one.spec.selector]
        if not services or (old is not None and new is not None and _seen(old) == _seen(new)):
            return
        for service in services:
            selector = from_map(service.spec.selector)
            if any(selector.matches(pod.metadata.labels) for pod in there):
                self._soon((service.metadata.namespace, service.metadata.name))

    def _soon(self, key: Key) -> None:
        """The first change of a service at once; what follows is gathered, so that many pods are few writes. The own
        writes come back too, and must not lead to the next one at once.
        """
        since_s = time.monotonic() - self._looked.get(key, float("-inf"))
        self.loop.queue.add_after(key, self._batch_s - since_s)

    def reconcile(self, key: Key) -> str:
        service = self._services.get(*key)
        if service is None or service.metadata.deletion_timestamp is not None:
            self._looked.pop(key, None)
            self._triggers.forget(key)
            return ""
        if not service.spec.selector or service.spec.type == "ExternalName":
            return ""
        self._looked[key] = time.monotonic()
        pods = list(self._pods.indexed(BY_NAMESPACE, key[0]))
        groups, triggered = backends(service, pods), self._triggers.look(service, pods)
        changed = self._write_endpoints(_endpoints(service, subsets(groups, key[1])), triggered)
        if self._slices.served:
            changed |= self._write_slices(service, groups, triggered)
        ready = sum(ready for placed in groups.values() for _, ready in placed)
        return f"wrote {ready} ready endpoints" if changed else ""

    def _write_endpoints(self, wanted: Endpoints, triggered: datetime | None) -> bool:
        mark(wanted.metadata, triggered)
        existing = self._endpoints.get(wanted.metadata.namespace, wanted.metadata.name)
        if existing is None:
            return create(self._client, wanted)
        if _is_same(existing.metadata, wanted.metadata) and existing.subsets == wanted.subsets:
            return False
        wanted.metadata.resource_version = existing.metadata.resource_version
        self._client.update(wanted)
        return True

    def _write_slices(self, service: Service, groups: Groups, triggered: datetime | None) -> bool:
        owned = self._slices.indexed(BY_OWNER, service.metadata.uid)
        existing = {item.metadata.name: item for item in owned if item.metadata.labels.get(MANAGER_LABEL) == MANAGER}
        known = {name: pod_uids(item) for name, item in existing.items()}
        wanted = slices(service, groups, known, self._zone_of)
        for item in wanted:
            mark(item.metadata, triggered)
        return write_slices(self._client, wanted, existing)

    def _zone_of(self, node: str) -> str:
        return _zone(self._nodes.get("", node))


def _zone(node: Node | None) -> str:
    return node.metadata.labels.get(ZONE_LABEL, "") if node is not None else ""


def _endpoints(service: Service, found: list[EndpointSubset]) -> Endpoints:
    kept = bounded(found)
    return Endpoints(
        metadata=ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=labels(service),
            annotations={OVER_CAPACITY: "truncated"} if kept != found else {},
            owner_references=[reference(service)],
        ),
        subsets=kept,
    )


def _is_same(one: ObjectMeta, other: ObjectMeta) -> bool:
    marks = (item.annotations.get(OVER_CAPACITY) for item in (one, other))
    return (one.labels, one.owner_references, next(marks)) == (other.labels, other.owner_references, next(marks))


def _seen(pod: Pod) -> tuple[object, ...]:
    """All of a pod that endpoints depend on."""
    return (
        pod.metadata.labels,
        pod.metadata.deletion_timestamp is None,
        pod.spec.node_name,
        pod.status.pod_ip,
        pod.status.phase,
        is_ready(pod),
    )
