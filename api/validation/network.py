"""Addresses that may not be given out as those of a service or an endpoint, and the endpoints themselves."""

from collections.abc import Iterator

from api.core import EndpointAddress, Endpoints, EndpointSubset
from api.errors import FieldError, invalid, required
from api.formats import dns_label, dns_subdomain, ip, parsed_address


def outside_address_errors(address: str, path: str, *, loopback: bool = False) -> Iterator[FieldError]:
    """``loopback``: whether such an address may be, as where a cluster is one machine."""
    if ip(address):
        return
    found = parsed_address(address)
    if found.is_unspecified:
        yield invalid(path, address, f"may not be unspecified ({address})")
    if found.is_loopback and not loopback:
        yield invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found.is_multicast and (str(found).startswith("224.0.0.") or found.version == 6):
        yield invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def endpoints_errors(item: Endpoints) -> list[FieldError]:
    return [error for index, subset in enumerate(item.subsets) for error in _subset_errors(subset, f"subsets[{index}]")]


def _subset_errors(subset: EndpointSubset, path: str) -> Iterator[FieldError]:
    if not subset.addresses and not subset.not_ready_addresses:
        yield required(path, "must specify `addresses` or `notReadyAddresses`")
    for field, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
        for index, address in enumerate(addresses):
            yield from _address_errors(address, f"{path}.{field}[{index}]")
    for index, port in enumerate(subset.ports):
        if len(subset.ports) > 1 and not port.name:
            yield required(f"{path}.ports[{index}].name")
        elif port.name and (wrong := dns_label(port.name)):
            yield invalid(f"{path}.ports[{index}].name", port.name, wrong)


def _address_errors(address: EndpointAddress, path: str) -> Iterator[FieldError]:
    if address.hostname and (wrong := dns_label(address.hostname)):
        yield invalid(f"{path}.hostname", address.hostname, wrong)
    if address.node_name and (wrong := dns_subdomain(address.node_name)):
        yield invalid(f"{path}.nodeName", address.node_name, wrong)
    # Kubernetes refuses loopback: its masters are machines. A cluster on one machine may have its own there.
    yield from outside_address_errors(address.ip, f"{path}.ip", loopback=True)
