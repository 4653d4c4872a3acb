"""Which numbers a service has, which it keeps when it changes, and which families it may ask for: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from api.core import Service, ServiceSpec
from api.errors import FieldError, invalid

FAMILY = "IPv4"
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


@dataclass(frozen=True, slots=True)
class Held:
    """The numbers that a service has."""

    address: str
    ports: frozenset[int]


def held_by(service: Service) -> Held:
    spec = service.spec
    address = spec.cluster_ip if spec.cluster_ip != "None" else ""
    ports = (*(port.node_port for port in spec.ports), spec.health_check_node_port)
    return Held(address, frozenset(port for port in ports if port))


def needs_health_check(spec: ServiceSpec) -> bool:
    """Whether balancers must be told which nodes have a pod."""
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def family_errors(service: Service) -> Iterator[FieldError]:
    """Service addresses are IPv4 alone. Endpoints written by hand, without an address before them, may be of both."""
    spec = service.spec
    if spec.type == "ExternalName" or (spec.cluster_ip == "None" and not spec.selector):
        return
    if spec.ip_family_policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        yield invalid("spec.ipFamilyPolicy", spec.ip_family_policy, why)
    for index, family in enumerate(spec.ip_families):
        if family != FAMILY:
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
    for index, address in enumerate(spec.cluster_ips):
        if ":" in address and len(spec.ip_families) <= index:
            yield invalid(f"spec.clusterIPs[{index}]", spec.cluster_ips, "IPv6 is not configured on this cluster")
        elif index:
            yield invalid("spec.clusterIPs", spec.cluster_ips, "may specify no more than one IP for each IP family")


def keep_numbers(new: Service, old: Service) -> None:
    """What a client left out of an update stays as it was; what the new type has no use for goes."""
    after, before = new.spec, old.spec
    if after.type != "ExternalName" and before.type != "ExternalName" and not after.cluster_ip:
        after.cluster_ip, after.cluster_ips = before.cluster_ip, list(before.cluster_ips)
    if after.type == "ExternalName" and after.cluster_ip == before.cluster_ip:
        after.cluster_ip, after.cluster_ips = "", []
    if after.type == "ExternalName" and after.ip_families == before.ip_families:
        after.ip_families, after.ip_family_policy = [], None
    known = {(port.protocol or "TCP", port.port): port.node_port for port in before.ports}
    given = set(known.values())
    for port in after.ports:
        if after.type in WITH_NODE_PORTS and before.type in WITH_NODE_PORTS:
            port.node_port = port.node_port or known.get((port.protocol or "TCP", port.port), 0)
        elif after.type not in WITH_NODE_PORTS and port.node_port in given:
            port.node_port = 0
    _keep_of_balancer(after, before)
    if after.type not in WITH_NODE_PORTS and after.external_traffic_policy == before.external_traffic_policy:
        after.external_traffic_policy = after.external_traffic_policy if after.external_ips else ""


def _keep_of_balancer(after: ServiceSpec, before: ServiceSpec) -> None:
    if needs_health_check(after) and needs_health_check(before):
        after.health_check_node_port = after.health_check_node_port or before.health_check_node_port
    elif needs_health_check(before) and after.health_check_node_port == before.health_check_node_port:
        after.health_check_node_port = 0
    if before.type == "LoadBalancer" and after.type != "LoadBalancer":
        if after.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports:
            after.allocate_load_balancer_node_ports = None
        if after.load_balancer_class == before.load_balancer_class:
            after.load_balancer_class = None
