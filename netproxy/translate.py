"""From the API's Services, EndpointSlices and Endpoints to what this node is to do. Pure.

Left out: headless services, ExternalName, and, which is told, protocols other than TCP and UDP and addresses that are
not IPv4; of a service with two cluster addresses the one of IPv4 is served, whichever comes first. Endpoints belong to
the port of the same name. A service whose inside and outside clients are led to different endpoints becomes two service
ports: one for the cluster address, one (scope EXTERNAL) for node port and external addresses.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from api.core import Endpoints, Service
from api.core.service import ServicePort as ApiPort
from api.discovery import EndpointSlice
from netproxy.endpoints import (
    PROTOCOLS,
    Candidate,
    Here,
    everywhere,
    from_endpoints,
    from_slices,
    is_ipv4,
    on_this_node,
)
from netproxy.services import EXTERNAL, Desired, HealthCheck, LeftOut, PortName, Protocol, ServicePort

SERVICE_LABEL = "kubernetes.io/service-name"
PROXY_PROTOCOL = "service.steersman.io/proxy-protocol"
"""Annotation; "v2" has endpoints told the client's address."""
DEFAULT_AFFINITY_S = 10_800
"""Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds."""

_OUTSIDE_TYPES = ("NodePort", "LoadBalancer")
_NO_DISTRIBUTION = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What a source of objects holds at one moment."""

    services: Sequence[Service] = ()
    slices: Sequence[EndpointSlice] = ()
    endpoints: Sequence[Endpoints] = ()
    here: Here = field(default_factory=Here)


def translate(objects: Objects) -> Desired:
    """All that is wanted, in the order of names."""
    behind = _Behind(objects)
    ports: dict[PortName, ServicePort] = {}
    checks: list[HealthCheck] = []
    left_out: list[LeftOut] = []
    for service in sorted(objects.services, key=lambda s: (s.metadata.namespace, s.metadata.name)):
        if service.spec.type == "ExternalName" or service.spec.cluster_ip == "None":
            continue
        local: set[str] = set()
        for port in service.spec.ports:
            if port.protocol in PROTOCOLS:
                candidates = behind.candidates(service, port)
                local |= {address for address, _port in on_this_node(candidates, objects.here)}
                ports |= {one.name: one for one in _halves(service, port, candidates, objects.here)}
        checks += _health_checks(service, len(local))
        left_out += _left_out(service)
    cidrs = objects.here.pod_cidrs
    return Desired(ports=ports, health_checks=tuple(checks), pod_cidrs=cidrs, left_out=tuple(left_out))


class _Behind:
    """Finds the candidates of a service port."""

    def __init__(self, objects: Objects) -> None:
        self._endpoints = {(e.metadata.namespace, e.metadata.name): e for e in objects.endpoints}
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        for one in objects.slices:
            self._slices[one.metadata.namespace, one.metadata.labels.get(SERVICE_LABEL, "")].append(one)

    def candidates(self, service: Service, port: ApiPort) -> tuple[Candidate, ...]:
        key, protocol = (service.metadata.namespace, service.metadata.name), PROTOCOLS[port.protocol]
        if slices := self._slices.get(key):
            return from_slices(slices, port.name, protocol)
        unready_too = service.spec.publish_not_ready_addresses
        return from_endpoints(self._endpoints.get(key), port.name, protocol, unready_too=unready_too)


def _halves(service: Service, port: ApiPort, candidates: Sequence[Candidate], here: Here) -> Iterator[ServicePort]:
    """One service port, or two when clients inside and outside are led to different endpoints."""
    spec = service.spec
    whole = _whole(service, port)
    if not (whole.cluster_ip or _reached_from_outside(whole)):
        return
    anywhere = everywhere(candidates, here, spec.traffic_distribution or _NO_DISTRIBUTION)
    local = on_this_node(candidates, here)
    inside = local if spec.internal_traffic_policy == "Local" else anywhere
    outside = local if spec.external_traffic_policy == "Local" else anywhere
    same = (spec.internal_traffic_policy == "Local") == (spec.external_traffic_policy == "Local")
    if same or not _reached_from_outside(whole):
        yield replace(whole, endpoints=inside)
        return
    outside_name = whole.name._replace(scope=EXTERNAL)
    near = whole.name if spec.external_traffic_policy == "Local" else None
    yield replace(whole, endpoints=inside, node_port=0, external_ips=(), load_balancer_ips=(), source_ranges=())
    yield replace(whole, name=outside_name, cluster_ip="", near=near, endpoints=outside)


def _reached_from_outside(port: ServicePort) -> bool:
    return bool(port.node_port or port.external_ips or port.load_balancer_ips)


def _whole(service: Service, port: ApiPort) -> ServicePort:
    """The service port with all its addresses, and no endpoints yet."""
    spec = service.spec
    return ServicePort(
        name=PortName(service.metadata.namespace, service.metadata.name, port.name),
        protocol=PROTOCOLS[port.protocol],
        cluster_ip=next(filter(is_ipv4, (spec.cluster_ip, *spec.cluster_ips)), ""),
        port=port.port,
        node_port=port.node_port if spec.type in _OUTSIDE_TYPES else 0,
        external_ips=_ipv4_only(spec.external_ips),
        load_balancer_ips=_ipv4_only(_ingress(service)) if spec.type == "LoadBalancer" else (),
        source_ranges=_source_ranges(service) if spec.type == "LoadBalancer" else (),
        affinity_s=_affinity_s(service),
        proxy_protocol=_proxy_protocol(service) and PROTOCOLS[port.protocol] is Protocol.TCP,
    )


def _ingress(service: Service) -> list[str]:
    return [one.ip for one in service.status.load_balancer.ingress if one.ip_mode != "Proxy"]


def _proxy_protocol(service: Service) -> bool:
    return service.metadata.annotations.get(PROXY_PROTOCOL) == "v2"


def _affinity_s(service: Service) -> int | None:
    if service.spec.session_affinity != "ClientIP":
        return None
    config = service.spec.session_affinity_config
    timeout_s = config.client_ip.timeout_seconds if config and config.client_ip else None
    return DEFAULT_AFFINITY_S if timeout_s is None else timeout_s


def _health_checks(service: Service, local_endpoints: int) -> list[HealthCheck]:
    spec = service.spec
    wanted = spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local" and spec.health_check_node_port
    if not wanted:
        return []
    return [
        HealthCheck(
            namespace=service.metadata.namespace,
            service=service.metadata.name,
            port=spec.health_check_node_port,
            local_endpoints=local_endpoints,
        )
    ]


def _source_ranges(service: Service) -> tuple[str, ...]:
    """The IPv4 ranges. When ranges are asked for and none can be used, nobody is let in: closed, not open."""
    asked = service.spec.load_balancer_source_ranges
    found = dict.fromkeys(str(network) for network in map(_ipv4_range, asked) if network is not None)
    return tuple(found) or (("0.0.0.0/32",) if asked else ())


def _ipv4_range(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text.strip(), strict=False)
    except ValueError:
        return None


def _ipv4_only(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(is_ipv4, addresses)))


def _left_out(service: Service) -> Iterator[LeftOut]:
    """Of families in the words of a kube-proxy of one."""
    spec, meta = service.spec, service.metadata
    if (asked := meta.annotations.get(PROXY_PROTOCOL, "")) not in ("", "v2"):
        why = f"annotation {PROXY_PROTOCOL}: {asked!r} is not known, only v2 is"
        yield LeftOut(meta.namespace, meta.name, "ProxyProtocolNotServed", why)
    if others := [f"{port.port}/{port.protocol}" for port in spec.ports if port.protocol not in PROTOCOLS]:
        why = f"{', '.join(others)}: only TCP and UDP are proxied"
        yield LeftOut(meta.namespace, meta.name, "ProtocolNotServed", why)
    parts = {
        "clusterIPs": [one for one in dict.fromkeys((spec.cluster_ip, *spec.cluster_ips)) if one and not is_ipv4(one)],
        "externalIPs": [one for one in spec.external_ips if not is_ipv4(one)],
    }
    if spec.type == "LoadBalancer":
        parts["load balancer ingress IPs"] = [one for one in _ingress(service) if one and not is_ipv4(one)]
        parts["loadBalancerSourceRanges"] = [one for one in spec.load_balancer_source_ranges if not _ipv4_range(one)]
    told = [f"{','.join(values)} in {field} has incorrect IP version" for field, values in parts.items() if values]
    if told:
        yield LeftOut(meta.namespace, meta.name, "KubeProxyIncorrectIPVersion", "; ".join(told))
