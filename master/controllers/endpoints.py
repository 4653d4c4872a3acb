"""Endpoints controller: writes down which pods stand behind each service, as Endpoints and as EndpointSlices.

A service without a selector is left alone: its endpoints are made by hand. What is written here is owned by the
service, and goes with it through the garbage collector.
"""

import hashlib
from collections.abc import Iterable, Sequence

from api.core import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    ObjectReference,
    Pod,
    Service,
    ServicePort,
)
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.errors import AlreadyExists, NotFound
from api.meta import Object, ObjectMeta
from api.selectors import from_map
from client import Client
from master.controllers.informers import BY_NAMESPACE, BY_OWNER, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import reference
from master.controllers.pods import is_ready

SLICE_SIZE = 100
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_Ports = tuple[tuple[str, int, str, str | None], ...]
_Placed = tuple[Pod, bool]


def backends(service: Service, pods: Iterable[Pod]) -> dict[_Ports, list[_Placed]]:
    """The pods behind a service with whether each is ready, grouped by the ports they serve it on.

    A pod that is being deleted is not ready from that moment on: nothing new may go there while it ends.
    """
    selector = from_map(service.spec.selector)
    unready_too = service.spec.publish_not_ready_addresses
    groups: dict[_Ports, list[_Placed]] = {}
    for pod in sorted(pods, key=lambda pod: pod.status.pod_ip):
        if not pod.status.pod_ip or pod.status.phase in ("Succeeded", "Failed"):
            continue
        if selector.matches(pod.metadata.labels):
            ports = tuple(port for port in (_resolved(port, pod) for port in service.spec.ports) if port is not None)
            if service.spec.ports and not ports:
                # It has none of the named ports: there is nothing to send it.
                continue
            groups.setdefault(ports, []).append((pod, unready_too or (is_ready(pod) and not _is_ending(pod))))
    return dict(sorted(groups.items(), key=repr))


def _is_ending(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _resolved(port: ServicePort, pod: Pod) -> tuple[str, int, str, str | None] | None:
    """A service's port as a pod serves it; None when the pod has no port of that name."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return port.name, target, port.protocol, port.app_protocol
    for container in pod.spec.containers:
        for offered in container.ports:
            if offered.name == target and offered.protocol == port.protocol:
                return port.name, offered.container_port, port.protocol, port.app_protocol
    return None


def subsets(groups: dict[_Ports, list[_Placed]], service_name: str) -> list[EndpointSubset]:
    """As Endpoints know no terminating state, a pod that ends is left out of them; slices keep it."""
    staying = {
        ports: [(pod, ready) for pod, ready in placed if ready or not _is_ending(pod)]
        for ports, placed in groups.items()
    }
    return [
        EndpointSubset(
            addresses=[_address(pod, service_name) for pod, ready in placed if ready],
            not_ready_addresses=[_address(pod, service_name) for pod, ready in placed if not ready],
            ports=[EndpointPort(name=n, port=p, protocol=proto, app_protocol=app) for n, p, proto, app in ports],
        )
        for ports, placed in staying.items()
        if placed
    ]


def _hostname(pod: Pod, service_name: str) -> str:
    return pod.spec.hostname if pod.spec.subdomain == service_name else ""


def _target(pod: Pod) -> ObjectReference:
    return ObjectReference(kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid)


def _address(pod: Pod, service_name: str) -> EndpointAddress:
    return EndpointAddress(
        ip=pod.status.pod_ip,
        hostname=_hostname(pod, service_name),
        node_name=pod.spec.node_name or None,
        target_ref=_target(pod),
    )


def slices(service: Service, groups: dict[_Ports, list[_Placed]]) -> list[EndpointSlice]:
    """The slices of a service, each of at most 100 endpoints; their names follow from ports and position."""
    made: list[EndpointSlice] = []
    for ports, placed in groups.items():
        for number, start in enumerate(range(0, len(placed), SLICE_SIZE)):
            made.append(_slice(service, ports, placed[start : start + SLICE_SIZE], number))
    return made


def _slice(service: Service, ports: _Ports, placed: Sequence[_Placed], number: int) -> EndpointSlice:
    mark = hashlib.sha256(repr((ports, number)).encode()).hexdigest()[:5]
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{service.metadata.name}-{mark}",
            namespace=service.metadata.namespace,
            labels={**service.metadata.labels, SERVICE_LABEL: service.metadata.name, MANAGER_LABEL: MANAGER},
            owner_references=[reference(service)],
        ),
        address_type="IPv4",
        endpoints=[_endpoint(pod, service.metadata.name, ready=ready) for pod, ready in placed],
        ports=[SlicePort(name=n, port=p, protocol=proto, app_protocol=app) for n, p, proto, app in ports],
    )


def _endpoint(pod: Pod, service_name: str, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[pod.status.pod_ip],
        conditions=EndpointConditions(ready=ready, serving=is_ready(pod), terminating=_is_ending(pod)),
        hostname=_hostname(pod, service_name) or None,
        target_ref=_target(pod),
        node_name=pod.spec.node_name or None,
    )


class EndpointsController:
    """Writes what the functions above work out."""

    name = "endpoints"

    def __init__(self, client: Client, informers: Informers, *, workers: int = 1) -> None:
        self._client = client
        self._services = informers.services
        self._pods = informers.pods
        self._endpoints = informers.endpoints
        self._slices = informers.endpoint_slices
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._services.add_listener(self._service_changed)
        self._pods.add_listener(self._pod_changed)
        self._endpoints.add_listener(self._endpoints_changed)
        self._slices.add_listener(self._slice_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        item = new or old
        if item is not None:
            self.loop.queue.add((item.metadata.namespace, item.metadata.name))

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> None:
        """Endpoints that someone changed or removed are put right."""
        item = new or old
        if item is not None and self._services.get(item.metadata.namespace, item.metadata.name) is not None:
            self.loop.queue.add((item.metadata.namespace, item.metadata.name))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        item = new or old
        name = item.metadata.labels.get(SERVICE_LABEL, "") if item is not None else ""
        if item is not None and self._services.get(item.metadata.namespace, name) is not None:
            self.loop.queue.add((item.metadata.namespace, name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and _seen(old) == _seen(new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for service in self._services.indexed(BY_NAMESPACE, pod.metadata.namespace):
                if service.spec.selector and from_map(service.spec.selector).matches(pod.metadata.labels):
                    self.loop.queue.add((service.metadata.namespace, service.metadata.name))

    def reconcile(self, key: Key) -> str:
        service = self._services.get(*key)
        if service is None or service.metadata.deletion_timestamp is not None:
            return ""
        if not service.spec.selector or service.spec.type == "ExternalName":
            return ""
        groups = backends(service, self._pods.indexed(BY_NAMESPACE, key[0]))
        wanted = Endpoints(
            metadata=ObjectMeta(
                name=key[1],
                namespace=key[0],
                labels=service.metadata.labels,
                owner_references=[reference(service)],
            ),
            subsets=subsets(groups, key[1]),
        )
        changed = self._write_endpoints(wanted)
        if self._slices.served:
            changed |= self._write_slices(service, slices(service, groups))
        ready = sum(ready for placed in groups.values() for _, ready in placed)
        return f"wrote {ready} ready endpoints" if changed else ""

    def _write_endpoints(self, wanted: Endpoints) -> bool:
        existing = self._endpoints.get(wanted.metadata.namespace, wanted.metadata.name)
        if existing is None:
            return self._create(wanted)
        if _is_same(existing.metadata, wanted.metadata) and existing.subsets == wanted.subsets:
            return False
        wanted.metadata.resource_version = existing.metadata.resource_version
        self._client.update(wanted)
        return True

    def _create(self, item: Object) -> bool:
        try:
            self._client.create(item)
        except AlreadyExists:
            # Made a moment ago and not yet seen: the watch will bring it and with it another look.
            return False
        return True

    def _write_slices(self, service: Service, wanted: Sequence[EndpointSlice]) -> bool:
        owned = self._slices.indexed(BY_OWNER, service.metadata.uid)
        existing = {item.metadata.name: item for item in owned if item.metadata.labels.get(MANAGER_LABEL) == MANAGER}
        changed = False
        for item in wanted:
            before = existing.pop(item.metadata.name, None)
            if before is None:
                changed |= self._create(item)
            elif not _is_same(before.metadata, item.metadata) or (before.endpoints, before.ports) != (
                item.endpoints,
                item.ports,
            ):
                item.metadata.resource_version = before.metadata.resource_version
                self._client.update(item)
                changed = True
        for left_over in existing.values():
            self._drop(left_over)
        return changed or bool(existing)

    def _drop(self, item: EndpointSlice) -> None:
        metadata = item.metadata
        try:
            self._client.delete(EndpointSlice, metadata.name, metadata.namespace, uid=metadata.uid)
        except NotFound:
            return


def _is_same(one: ObjectMeta, other: ObjectMeta) -> bool:
    return (one.labels, one.owner_references) == (other.labels, other.owner_references)


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
