"""Slice mirroring: Endpoints that someone writes by hand, for a service without a selector, are copied into
EndpointSlices, since proxies need not read anything else.

Endpoints with the label ``endpointslice.kubernetes.io/skip-mirror: "true"`` are left alone: who writes them writes
slices too. The copies are owned by the Endpoints, and go with them through the garbage collector.
"""

import hashlib
from collections.abc import Iterable

from api.core import EndpointAddress, Endpoints, EndpointSubset, Service
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from client import Client
from master.controllers.backends import MANAGER_LABEL, MOST_ADDRESSES, SERVICE_LABEL
from master.controllers.informers import BY_OWNER, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import reference
from master.controllers.slicewriting import write_slices
from master.controllers.triggers import TRIGGER_TIME

MIRROR = "endpointslicemirroring-controller.k8s.io"
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = (TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration")


class SliceMirroring:
    """Writes what ``mirrored`` works out."""

    name = "endpointslice-mirroring"

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._services, self._endpoints = informers.services, informers.endpoints
        self._slices = informers.endpoint_slices
        self.loop = Loop(self.name, self.reconcile)
        self.loop.follow(self._services, self._endpoints)
        self._slices.add_listener(self._slice_changed)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """A copy that someone changed or removed is put right."""
        item = new or old
        if item is not None and item.metadata.labels.get(MANAGER_LABEL) == MIRROR:
            self.loop.queue.add((item.metadata.namespace, item.metadata.labels.get(SERVICE_LABEL, "")))

    def reconcile(self, key: Key) -> str:
        endpoints, service = self._endpoints.get(*key), self._services.get(*key)
        if endpoints is None or endpoints.metadata.deletion_timestamp is not None or not self._slices.served:
            return ""
        owned = self._slices.indexed(BY_OWNER, endpoints.metadata.uid)
        existing = {item.metadata.name: item for item in owned if item.metadata.labels.get(MANAGER_LABEL) == MIRROR}
        wanted = mirrored(endpoints) if service is not None and is_mirrored(service, endpoints) else []
        return f"mirrored into {len(wanted)} slices" if write_slices(self._client, wanted, existing) else ""


def is_mirrored(service: Service, endpoints: Endpoints) -> bool:
    meta = endpoints.metadata
    return not service.spec.selector and meta.labels.get(_SKIP) != "true" and _LEADER not in meta.annotations


def mirrored(endpoints: Endpoints) -> list[EndpointSlice]:
    """The slices of Endpoints: one for each subset and kind of address, of at most 1,000 addresses."""
    made: dict[str, EndpointSlice] = {}
    for subset in endpoints.subsets:
        ports = [
            SlicePort(name=p.name, port=p.port, protocol=p.protocol, app_protocol=p.app_protocol) for p in subset.ports
        ]
        for kind, found in _by_kind(subset).items():
            item = _slice(endpoints, kind, ports)
            # Subsets with the same ports are one.
            item = made.setdefault(item.metadata.name, item)
            item.endpoints = [*item.endpoints, *found][:MOST_ADDRESSES]
    return list(made.values())


def _by_kind(subset: EndpointSubset) -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for addresses, ready in ((subset.addresses, True), (subset.not_ready_addresses, False)):
        for one in addresses:
            found.setdefault("IPv6" if ":" in one.ip else "IPv4", []).append(_endpoint(one, ready=ready))
    return found


def _endpoint(one: EndpointAddress, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[one.ip],
        conditions=EndpointConditions(ready=ready),
        hostname=one.hostname or None,
        target_ref=one.target_ref,
        node_name=one.node_name,
    )


def _slice(endpoints: Endpoints, kind: str, ports: Iterable[SlicePort]) -> EndpointSlice:
    meta, ports = endpoints.metadata, list(ports)
    mark = hashlib.sha256(repr((MIRROR, kind, ports)).encode()).hexdigest()[:5]
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{meta.name}-{mark}",
            namespace=meta.namespace,
            labels={**meta.labels, SERVICE_LABEL: meta.name, MANAGER_LABEL: MIRROR},
            annotations={key: value for key, value in meta.annotations.items() if key not in _NOT_COPIED},
            owner_references=[reference(endpoints)],
        ),
        address_type=kind,
        ports=ports,
    )
