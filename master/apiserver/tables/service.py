"""Services, and what is behind them: Endpoints and EndpointSlices."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from api.core import Endpoints, EndpointSubset, Service, ServicePort
from api.discovery import EndpointSlice
from master.apiserver.tables.cells import NONE, UNSET, age, cut, selector
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide


def _service_cells(service: Service, now: datetime) -> list[Any]:
    spec = service.spec
    return [
        service.metadata.name,
        spec.type,
        spec.cluster_ip or NONE,
        _external(service),
        ",".join(_port(port) for port in spec.ports) or NONE,
        age(service.metadata.creation_timestamp, now),
        selector(spec.selector),
    ]


def _external(service: Service) -> str:
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name
    if spec.type != "LoadBalancer":
        return ",".join(spec.external_ips) or NONE
    balancer = [item.ip or item.hostname for item in service.status.load_balancer.ingress]
    return ",".join([*balancer, *spec.external_ips]) or "<pending>"


def _port(port: ServicePort) -> str:
    return f"{port.port}:{port.node_port}/{port.protocol}" if port.node_port else f"{port.port}/{port.protocol}"


def _endpoints_cells(endpoints: Endpoints, now: datetime) -> list[Any]:
    addresses = (address for subset in endpoints.subsets for address in _subset(subset))
    return [endpoints.metadata.name, cut(addresses, empty=NONE), age(endpoints.metadata.creation_timestamp, now)]


def _subset(subset: EndpointSubset) -> Iterator[str]:
    if not subset.ports:
        yield from (address.ip for address in subset.addresses)
    for port in subset.ports:
        for address in subset.addresses:
            ip = f"[{address.ip}]" if ":" in address.ip else address.ip
            yield f"{ip}:{port.port}"


def _slice_cells(piece: EndpointSlice, now: datetime) -> list[Any]:
    ports = (str(port.port) if port.port is not None else "*" for port in piece.ports)
    addresses = (address for endpoint in piece.endpoints for address in endpoint.addresses)
    return [
        piece.metadata.name,
        piece.address_type,
        cut(ports, empty=UNSET),
        cut(addresses, empty=UNSET),
        age(piece.metadata.creation_timestamp, now),
    ]


SERVICE = TableShape(
    (
        NAME,
        Column("Type", "How the service can be reached."),
        Column("Cluster-IP", "Address in the cluster."),
        Column("External-IP", "Addresses outside the cluster."),
        Column("Port(s)", "Ports, with node ports behind the colon."),
        AGE,
        wide("Selector", "Labels of its pods."),
    ),
    _service_cells,
)

ENDPOINTS = TableShape((NAME, Column("Endpoints", "Addresses behind the service."), AGE), _endpoints_cells)

ENDPOINT_SLICE = TableShape(
    (
        NAME,
        Column("AddressType", "Family of the addresses."),
        Column("Ports", "Ports of each endpoint."),
        Column("Endpoints", "Addresses behind the service."),
        AGE,
    ),
    _slice_cells,
)
