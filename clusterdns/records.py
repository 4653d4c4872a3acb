"""From a service and its endpoints to the records of its names, without any I/O.

The names are those of the Kubernetes DNS specification 1.1.0
(https://github.com/kubernetes/dns/blob/master/docs/specification.md).
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clusterdns.answers import Answer
from clusterdns.names import dashed, wire_name
from clusterdns.wire import TO_QUESTION, TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_SRV, kind_of, record

SRV_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Port:
    """A named port; a port without a name has no SRV record."""

    name: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a headless service, with the ports it serves."""

    address: str
    hostname: str = ""
    ready: bool = True
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceNames:
    """What DNS needs of one service and its endpoints."""

    namespace: str
    name: str
    addresses: tuple[str, ...] = ()  # cluster addresses; none for headless and external ones
    external_name: str = ""
    ports: tuple[Port, ...] = ()
    publish_not_ready: bool = False
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """All that one name has: answers by type and class; the target of an alias in place of other types."""

    answers: dict[bytes, Answer]
    alias: bytes | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """Names of one service: entries by wire name, reverse names with what they point to."""

    entries: dict[bytes, Entry]
    pointers: tuple[tuple[bytes, bytes], ...]


def build(service: ServiceNames, *, domain: str, ttl_s: int) -> Built:
    """Every name of a service; ValueError when one of them cannot be a domain name."""
    host = f"{service.name}.{service.namespace}.svc.{domain}"
    if service.external_name:
        return Built({wire_name(host): _alias_entry(service.external_name, ttl_s)}, ())
    if service.addresses:
        return _cluster_addresses(service, host, ttl_s)
    return _headless(service, host, ttl_s)


def address_records(addresses: Iterable[str], ttl_s: int, owner: bytes = TO_QUESTION) -> dict[int, list[bytes]]:
    """A and AAAA records, by type."""
    found: dict[int, list[bytes]] = {}
    for address in addresses:
        packed = ipaddress.ip_address(address).packed
        rtype = TYPE_A if len(packed) == 4 else TYPE_AAAA
        found.setdefault(rtype, []).append(record(owner, rtype, ttl_s, packed))
    return found


def address_entry(addresses: Iterable[str], ttl_s: int) -> Entry:
    """The entry of a name that has these addresses."""
    found = address_records(addresses, ttl_s)
    return Entry({kind_of(rtype): Answer(encoded) for rtype, encoded in found.items()})


def reverse_name(address: str) -> bytes:
    """The wire name under which an address is looked up backwards."""
    return wire_name(ipaddress.ip_address(address).reverse_pointer)


def _alias_entry(external_name: str, ttl_s: int) -> Entry:
    target = wire_name(external_name)
    encoded = record(TO_QUESTION, TYPE_CNAME, ttl_s, target)
    return Entry({kind_of(TYPE_CNAME): Answer([encoded])}, target)


def _cluster_addresses(service: ServiceNames, host: str, ttl_s: int) -> Built:
    target = wire_name(host)
    entries = {target: address_entry(service.addresses, ttl_s)}
    targets = ((port, target, service.addresses) for port in service.ports)
    entries |= _service_entries(targets, host, ttl_s)
    return Built(entries, tuple((reverse_name(address), target) for address in service.addresses))


def _headless(service: ServiceNames, host: str, ttl_s: int) -> Built:
    """No ready endpoint, no name: the specification wants NXDOMAIN then."""
    endpoints = published(service)
    if not endpoints:
        return Built({}, ())
    entries = {wire_name(host): address_entry(dict.fromkeys(e.address for e in endpoints), ttl_s)}
    by_host: dict[bytes, dict[str, None]] = {}
    for endpoint in endpoints:
        by_host.setdefault(_endpoint_name(endpoint, host), {})[endpoint.address] = None
    entries |= {name: address_entry(addresses, ttl_s) for name, addresses in by_host.items()}
    targets = (
        (port, _endpoint_name(endpoint, host), (endpoint.address,)) for endpoint in endpoints for port in endpoint.ports
    )
    entries |= _service_entries(targets, host, ttl_s)
    pointers = ((reverse_name(e.address), _endpoint_name(e, host)) for e in endpoints)
    return Built(entries, tuple(dict.fromkeys(pointers)))


def published(service: ServiceNames) -> list[Endpoint]:
    """The endpoints that have names: ready ones, or all when the service publishes the unready too."""
    return [e for e in service.endpoints if e.ready or service.publish_not_ready]


def _endpoint_name(endpoint: Endpoint, host: str) -> bytes:
    return wire_name(f"{endpoint.hostname or dashed(endpoint.address)}.{host}")


def _service_entries(targets: Iterable[tuple[Port, bytes, Iterable[str]]], host: str, ttl_s: int) -> dict[bytes, Entry]:
    """SRV answers of all named ports, and the empty names `_tcp`, `_udp` above them."""
    answers: dict[bytes, dict[bytes, None]] = {}
    additional: dict[bytes, dict[bytes, None]] = {}
    entries: dict[bytes, Entry] = {}
    for port, target, addresses in targets:
        if not port.name:
            continue
        above = f"_{port.protocol.lower()}.{host}"
        name = wire_name(f"_{port.name}.{above}")
        entries[wire_name(above)] = Entry({})
        rdata = struct.pack("!HHH", 0, SRV_WEIGHT, port.port) + target
        answers.setdefault(name, {})[record(TO_QUESTION, TYPE_SRV, ttl_s, rdata)] = None
        additional.setdefault(name, {}).update(dict.fromkeys(_flat(address_records(addresses, ttl_s, target))))
    for name, encoded in answers.items():
        entries[name] = Entry({kind_of(TYPE_SRV): Answer(list(encoded), additional=list(additional[name]))})
    return entries


def _flat(found: dict[int, list[bytes]]) -> Iterator[bytes]:
    for encoded in found.values():
        yield from encoded
