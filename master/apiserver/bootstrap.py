"""What must be there for a cluster to work: the first namespaces, and the service and endpoints of the apiservers
themselves.

Level-triggered: what is missing is made, what differs is put right, the rest is left alone.
"""

import logging
from collections.abc import Iterable

from api import defaulting
from api.codec import encode
from api.core import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.errors import AlreadyExists
from api.meta import Object, ObjectMeta
from api.resources import resource_of
from api.scheduling import PriorityClass
from api.validation.quota import SYSTEM_CLASSES
from master.apiserver.backend import Backend
from master.apiserver.strategies import count_generation, prepare_create, prepare_update

log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME = "kubernetes"


async def bootstrap(backend: Backend, *, port: int) -> None:
    """The namespaces and the service; ``port`` is that of the apiservers."""
    for name in NAMESPACES:
        await _ensure(backend, Namespace(metadata=ObjectMeta(name=name)))
    for name, value in SYSTEM_CLASSES.items():
        await _ensure(backend, PriorityClass(metadata=ObjectMeta(name=name), value=value))
    await _ensure(backend, _service(backend.service_addresses.first, port))


async def announce(backend: Backend, masters: Iterable[tuple[str, int]]) -> None:
    """Lets the service lead to these addresses and ports of apiservers. Raises Conflict when others do it too."""
    by_port: dict[int, list[str]] = {}
    for address, port in sorted(masters):
        by_port.setdefault(port, []).append(address)
    await _ensure(backend, _endpoints(by_port))
    # A slice has one port for all: masters are meant to listen on the same.
    port = min(by_port)
    await _ensure(backend, _slice(by_port[port], port))


def _service(address: str, port: int) -> Service:
    spec = ServiceSpec(
        cluster_ip=address,
        cluster_ips=[address],
        ports=[ServicePort(name="https", port=443, target_port=port)],
    )
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return Service(metadata=ObjectMeta(name=_NAME, namespace="default", labels=labels), spec=spec)


def _endpoints(by_port: dict[int, list[str]]) -> Endpoints:
    subsets = [
        EndpointSubset(
            addresses=[EndpointAddress(ip=address) for address in addresses],
            ports=[EndpointPort(name="https", port=port)],
        )
        for port, addresses in sorted(by_port.items())
    ]
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return Endpoints(metadata=ObjectMeta(name=_NAME, namespace="default", labels=labels), subsets=subsets)


def _slice(addresses: list[str], port: int) -> EndpointSlice:
    kind = "IPv6" if ":" in addresses[0] else "IPv4"
    return EndpointSlice(
        metadata=ObjectMeta(name=_NAME, namespace="default", labels={"kubernetes.io/service-name": _NAME}),
        address_type=kind,
        endpoints=[
            Endpoint(addresses=[address], conditions=EndpointConditions(ready=True))
            for address in addresses
            if (":" in address) == (kind == "IPv6")
        ],
        ports=[SlicePort(name="https", port=port, protocol="TCP")],
    )


async def _ensure(backend: Backend, wanted: Object) -> None:
    """Makes an object, or puts the one that is there right; a namespace is only made."""
    resource, registry = resource_of(type(wanted)), backend.registry
    metadata = wanted.metadata
    item = registry.cache.table(resource).get(metadata.namespace, metadata.name)
    if item is None:
        prepare_create(resource, wanted, metadata.namespace)
        defaulting.apply(wanted)
        try:
            await registry.create(resource, wanted)
        except AlreadyExists:
            return
        log.info("made kind=%s name=%s", resource.kind, metadata.name)
    elif not isinstance(wanted, Namespace):
        old = item.decode()
        metadata.labels = old.metadata.labels | metadata.labels
        metadata.annotations = old.metadata.annotations
        prepare_update(resource, wanted, old)
        defaulting.apply(wanted)
        count_generation(resource, wanted, old)
        wanted.api_version, wanted.kind = resource.api_version, resource.kind
        if encode(wanted) != item.value:
            await registry.update(resource, wanted, expected=item.revision)
            log.info("put right kind=%s name=%s", resource.kind, metadata.name)
