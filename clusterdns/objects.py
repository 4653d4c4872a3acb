"""From the API's objects to what DNS needs of them: the only place here that knows their shape."""

from collections.abc import Sequence

from api.core import Endpoints, EndpointSubset, Service
from clusterdns.records import Endpoint, Port, ServiceNames

HEADLESS = "None"


def service_names(service: Service, endpoints: Endpoints | None) -> ServiceNames:
    """The names of a service; one that has no cluster address yet has none."""
    spec, meta = service.spec, service.metadata
    namespace, name = meta.namespace, meta.name
    if spec.type == "ExternalName":
        return ServiceNames(namespace, name, external_name=spec.external_name)
    if spec.cluster_ip == HEADLESS:
        return ServiceNames(
            namespace,
            name,
            publish_not_ready=spec.publish_not_ready_addresses,
            endpoints=endpoint_names(endpoints.subsets if endpoints is not None else ()),
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
