"""From the API's objects to what DNS needs of them: the only place here that knows their shape."""

import sys
from collections.abc import Sequence

from api.core import Endpoints, EndpointSubset, Service
from api.core.service import EndpointAddress, ServicePort, ServiceSpec
from api.discovery import Endpoint as SliceEndpoint
from api.discovery import EndpointSlice
from api.meta import ObjectMeta
from clusterdns.records import Endpoint, Port, ServiceNames

HEADLESS = "None"
SERVICE_LABEL = "kubernetes.io/service-name"
_ADDRESSES = ("IPv4", "IPv6")


def service_names(service: Service, slices: Sequence[EndpointSlice], endpoints: Endpoints | None) -> ServiceNames:
    """The names of a service; one without a cluster address yet has none. Endpoints count where there are no slices."""
    spec, meta = service.spec, service.metadata
    namespace, name = meta.namespace, meta.name
    if spec.type == "ExternalName":
        return ServiceNames(namespace, name, external_name=spec.external_name)
    if spec.cluster_ip == HEADLESS:
        return ServiceNames(
            namespace,
            name,
            publish_not_ready=spec.publish_not_ready_addresses,
            endpoints=slice_names(slices) if slices else endpoint_names(endpoints.subsets if endpoints else ()),
        )
    return ServiceNames(
        namespace,
        name,
        addresses=tuple(spec.cluster_ips) or ((spec.cluster_ip,) if spec.cluster_ip else ()),
        ports=tuple(Port(each.name, each.protocol or "TCP", each.port) for each in spec.ports),
    )


def endpoint_names(subsets: Sequence[EndpointSubset]) -> tuple[Endpoint, ...]:
    """Every address of every subset, with the ports of that subset."""
    found = []
    for subset in subsets:
        ports = tuple(Port(each.name, each.protocol or "TCP", each.port) for each in subset.ports)
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            found += [Endpoint(each.ip, each.hostname, ready, ports) for each in addresses]
    return tuple(found)


def slice_names(slices: Sequence[EndpointSlice]) -> tuple[Endpoint, ...]:
    """Every address of every slice, each once for the ports of its slice; one of unknown state counts as ready."""
    found: dict[Endpoint, None] = {}
    for one in sorted(slices, key=lambda each: each.metadata.name):
        if one.address_type not in _ADDRESSES:
            continue
        ports = tuple(Port(each.name or "", each.protocol or "TCP", each.port) for each in one.ports if each.port)
        for each in one.endpoints:
            ready = each.conditions is None or each.conditions.ready is not False
            found |= dict.fromkeys(Endpoint(address, each.hostname or "", ready, ports) for address in each.addresses)
    return tuple(found)


# Of ten thousand services what DNS does not need would take most of the memory: only these parts of an object are kept.


def kept_service(service: Service) -> Service:
    """A service as far as its names need it."""
    spec = service.spec
    kept = ServiceSpec(
        type=spec.type,
        cluster_ip=spec.cluster_ip,
        cluster_ips=spec.cluster_ips if len(spec.cluster_ips) > 1 else [],
        external_name=spec.external_name,
        publish_not_ready_addresses=spec.publish_not_ready_addresses,
        ports=[ServicePort(name=sys.intern(each.name), protocol=each.protocol, port=each.port) for each in spec.ports],
    )
    return Service(metadata=_kept_metadata(service.metadata), spec=kept)


def kept_endpoints(endpoints: Endpoints) -> Endpoints:
    """Endpoints without the pods that are behind them."""
    subsets = [
        EndpointSubset(
            addresses=[EndpointAddress(ip=each.ip, hostname=each.hostname) for each in subset.addresses],
            not_ready_addresses=[
                EndpointAddress(ip=each.ip, hostname=each.hostname) for each in subset.not_ready_addresses
            ],
            ports=subset.ports,
        )
        for subset in endpoints.subsets
    ]
    return Endpoints(metadata=_kept_metadata(endpoints.metadata), subsets=subsets)


def kept_slice(one: EndpointSlice) -> EndpointSlice:
    """A slice without the pods that are behind it."""
    metadata = _kept_metadata(one.metadata)
    metadata.labels = {SERVICE_LABEL: one.metadata.labels.get(SERVICE_LABEL, "")}
    endpoints = [
        SliceEndpoint(addresses=each.addresses, hostname=each.hostname, conditions=each.conditions)
        for each in one.endpoints
    ]
    return EndpointSlice(metadata=metadata, address_type=one.address_type, endpoints=endpoints, ports=one.ports)


def _kept_metadata(meta: ObjectMeta) -> ObjectMeta:
    return ObjectMeta(
        name=meta.name, namespace=sys.intern(meta.namespace), uid=meta.uid, resource_version=meta.resource_version
    )
