"""Services."""

import ipaddress
from collections.abc import Iterator

from api.core import Service, ServicePort
from api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from api.formats import dns_subdomain, ip
from api.validation.network import outside_address_errors

IP_FAMILIES = ("IPv4", "IPv6")
_AGENT_PORT = 10250
_BALANCERS_ONLY = "may only be used when `type` is 'LoadBalancer'"


def service_errors(service: Service) -> list[FieldError]:
    return [
        *_address_errors(service),
        *_family_errors(service),
        *_ports_errors(service),
        *_affinity_errors(service),
        *_balancer_errors(service),
    ]


def _address_errors(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    if spec.type == "ExternalName":
        if not spec.external_name:
            yield required("spec.externalName")
        elif wrong := dns_subdomain(spec.external_name.rstrip(".")):
            yield invalid("spec.externalName", spec.external_name, wrong)
        if spec.cluster_ip:
            yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        return
    if spec.cluster_ip not in ("", "None") and (wrong := ip(spec.cluster_ip)):
        yield invalid("spec.clusterIPs[0]", spec.cluster_ip, wrong)
    if spec.cluster_ip == "None" and spec.type in ("NodePort", "LoadBalancer"):
        yield invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer or NodePort services")
    for index, address in enumerate(spec.external_ips):
        yield from outside_address_errors(address, f"spec.externalIPs[{index}]")
    if spec.external_traffic_policy and spec.type == "ClusterIP" and not spec.external_ips:
        yield invalid(
            "spec.externalTrafficPolicy",
            spec.external_traffic_policy,
            "may only be set for externally-accessible services",
        )


def _family_errors(service: Service) -> Iterator[FieldError]:
    """Addresses and families as far as they can be judged alone; which families there are, the API server knows."""
    spec = service.spec
    if spec.type == "ExternalName":
        for field, value in (("ipFamilies", spec.ip_families), ("ipFamilyPolicy", spec.ip_family_policy)):
            if value:
                yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
        return
    seen: set[str] = set()
    for index, family in enumerate(spec.ip_families):
        if family not in IP_FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, IP_FAMILIES)
        elif family in seen:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
        seen.add(family)
    if len(spec.ip_families) > 1 and spec.ip_family_policy == "SingleStack":
        why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
        yield invalid("spec.ipFamilyPolicy", spec.ip_family_policy, why)
    addresses = spec.cluster_ips
    if addresses and spec.cluster_ip and addresses[0] != spec.cluster_ip:
        yield invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    if len(addresses) > 2:
        yield invalid("spec.clusterIPs", addresses, "may only hold up to 2 values")
    elif len(addresses) > 1 and "None" in addresses:
        yield invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")


def _ports_errors(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    if not spec.ports and spec.cluster_ip != "None" and spec.type != "ExternalName":
        yield required("spec.ports")
    names: set[str] = set()
    ports: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if len(spec.ports) > 1 and not port.name:
            yield required(f"{path}.name")
        if port.name and port.name in names:
            yield duplicate(f"{path}.name", port.name)
        names.add(port.name)
        if (port.protocol, port.port) in ports:
            yield duplicate(path, f"{port.port}/{port.protocol}")
        ports.add((port.protocol, port.port))
        yield from _node_port_errors(port, spec.type, path, node_ports)


def _node_port_errors(
    port: ServicePort, service_type: str, path: str, seen: set[tuple[str, int]]
) -> Iterator[FieldError]:
    if not port.node_port:
        return
    if service_type not in ("NodePort", "LoadBalancer"):
        yield forbidden(f"{path}.nodePort", f"may not be used when `type` is '{service_type}'")
    if (port.protocol, port.node_port) in seen:
        yield duplicate(f"{path}.nodePort", port.node_port)
    seen.add((port.protocol, port.node_port))


def _affinity_errors(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    if spec.session_affinity == "None" and spec.session_affinity_config is not None:
        yield forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")


def _balancer_errors(service: Service) -> Iterator[FieldError]:
    spec = service.spec
    is_balancer = spec.type == "LoadBalancer"
    if spec.health_check_node_port and not (is_balancer and spec.external_traffic_policy == "Local"):
        yield invalid(
            "spec.healthCheckNodePort",
            spec.health_check_node_port,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )
    if is_balancer:
        yield from _range_errors(service)
        return
    if spec.allocate_load_balancer_node_ports is not None:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _BALANCERS_ONLY)
    if spec.load_balancer_class is not None:
        yield forbidden("spec.loadBalancerClass", _BALANCERS_ONLY)
    if spec.load_balancer_source_ranges:
        yield forbidden("spec.LoadBalancerSourceRanges", _BALANCERS_ONLY)


def _range_errors(service: Service) -> Iterator[FieldError]:
    """Balancers take outside traffic to ports that are theirs, from ranges that are some."""
    ranges = service.spec.load_balancer_source_ranges
    for one in ranges:
        try:
            ipaddress.ip_network(one.strip(), strict=False)
        except ValueError:
            told = "[" + " ".join(ranges) + "]"
            why = "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 "
            yield invalid("spec.LoadBalancerSourceRanges", told, why)
            break
    for index, port in enumerate(service.spec.ports):
        if port.port == _AGENT_PORT:
            why = f"may not expose port {_AGENT_PORT} externally since it is used by kubelet"
            yield invalid(f"spec.ports[{index}]", port.port, why)


def service_update_errors(new: Service, old: Service) -> list[FieldError]:
    return [*_address_changes(new, old), *_balancer_changes(new, old)]


def _balancer_changes(new: Service, old: Service) -> Iterator[FieldError]:
    before, after = old.spec, new.spec
    if not before.type == after.type == "LoadBalancer":
        return
    if before.load_balancer_class != after.load_balancer_class:
        yield invalid("spec.loadBalancerClass", after.load_balancer_class, "may not change once set")
    ports = (before.health_check_node_port, after.health_check_node_port)
    if before.external_traffic_policy == after.external_traffic_policy == "Local" and ports[0] not in (0, ports[1]):
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _address_changes(new: Service, old: Service) -> list[FieldError]:
    """The cluster address stays as long as the service has one."""
    before, after = old.spec, new.spec
    if "ExternalName" in (before.type, after.type) or not before.cluster_ip:
        return []
    if after.cluster_ip != before.cluster_ip:
        return [invalid("spec.clusterIPs[0]", after.cluster_ip, "may not change once set")]
    return []
