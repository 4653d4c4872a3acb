"""From the API's Services and Endpoints to service ports.

Left out: headless services, ExternalName, protocols other than TCP and UDP, addresses that are not IPv4. Endpoints
belong to the port of the same name; addresses that are not ready do not count, unless the service asks for them.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable

from api.core import Endpoints, Service
from api.core.service import ServicePort as ApiPort
from netproxy.services import Endpoint, PortName, Protocol, ServicePort

log = logging.getLogger(__name__)

DEFAULT_AFFINITY_S = 10_800
"""Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds."""

_PROTOCOLS = {"": Protocol.TCP, "TCP": Protocol.TCP, "UDP": Protocol.UDP}


def translate(services: Iterable[Service], endpoints: Iterable[Endpoints]) -> dict[PortName, ServicePort]:
    """The wanted state, in the order of names."""
    by_name = {(e.metadata.namespace, e.metadata.name): e for e in endpoints}
    wanted: dict[PortName, ServicePort] = {}
    for service in sorted(services, key=lambda s: (s.metadata.namespace, s.metadata.name)):
        if service.spec.type != "ExternalName" and is_ipv4(service.spec.cluster_ip):
            found = by_name.get((service.metadata.namespace, service.metadata.name))
            for port in service.spec.ports:
                if port.protocol in _PROTOCOLS:
                    one = _service_port(service, port, found)
                    wanted[one.name] = one
    return wanted


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address; "None" and "" are not."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _service_port(service: Service, port: ApiPort, endpoints: Endpoints | None) -> ServicePort:
    spec = service.spec
    ingress = [one.ip for one in service.status.load_balancer.ingress]
    protocol = _PROTOCOLS[port.protocol]
    return ServicePort(
        name=PortName(service.metadata.namespace, service.metadata.name, port.name),
        protocol=protocol,
        cluster_ip=spec.cluster_ip,
        port=port.port,
        node_port=port.node_port if spec.type in ("NodePort", "LoadBalancer") else 0,
        external_ips=_ipv4_only(service, spec.external_ips),
        load_balancer_ips=_ipv4_only(service, ingress) if spec.type == "LoadBalancer" else (),
        affinity_s=_affinity_s(service),
        endpoints=_ready(endpoints, port.name, protocol, spec.publish_not_ready_addresses) if endpoints else (),
    )


def _affinity_s(service: Service) -> int | None:
    if service.spec.session_affinity != "ClientIP":
        return None
    config = service.spec.session_affinity_config
    timeout_s = config.client_ip.timeout_seconds if config and config.client_ip else None
    return DEFAULT_AFFINITY_S if timeout_s is None else timeout_s


def _ready(endpoints: Endpoints, port_name: str, protocol: Protocol, all_addresses: bool) -> tuple[Endpoint, ...]:
    """The endpoints of one port, each once, in a stable order."""
    found: set[Endpoint] = set()
    for subset in endpoints.subsets:
        addresses = subset.addresses + (subset.not_ready_addresses if all_addresses else [])
        for port in subset.ports:
            if port.name == port_name and _PROTOCOLS.get(port.protocol) is protocol:
                found |= {(address.ip, port.port) for address in addresses if is_ipv4(address.ip)}
    return tuple(sorted(found, key=lambda e: (ipaddress.IPv4Address(e[0]), e[1])))


def _ipv4_only(service: Service, addresses: Iterable[str]) -> tuple[str, ...]:
    good = []
    for address in addresses:
        if is_ipv4(address):
            good.append(address)
        elif address:
            log.warning(
                "address left out, not IPv4 service=%s/%s address=%s",
                service.metadata.namespace,
                service.metadata.name,
                address,
            )
    return tuple(good)
