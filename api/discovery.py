"""EndpointSlice (``discovery.k8s.io/v1``): a part of the addresses behind a service."""

from typing import Annotated

from api.core.container import PROTOCOLS
from api.core.references import ObjectReference
from api.meta import Object
from api.scalars import Int32
from api.struct import F, Struct, always


class EndpointConditions(Struct):
    """State of one endpoint; None is unknown and counts as ready."""

    ready: Annotated[bool | None, F(1, "May take new connections.")] = None
    serving: Annotated[bool | None, F(2, "As ready, also while it ends.")] = None
    terminating: Annotated[bool | None, F(3, "Is ending.")] = None


class Endpoint(Struct):
    """One pod behind a service."""

    addresses: Annotated[list[str], F(1, "Its addresses.", required=True)] = []
    conditions: Annotated[EndpointConditions | None, F(2, "Its state.")] = None
    hostname: Annotated[str | None, F(3, "Name under the service's name.")] = None
    target_ref: Annotated[ObjectReference | None, F(4, "The pod, usually.")] = None
    node_name: Annotated[str | None, F(6, "On which node it is.")] = None
    zone: Annotated[str | None, F(7, "In which zone it is.")] = None


class SlicePort(Struct):
    """One port of the endpoints."""

    name: Annotated[str | None, F(1, "Name of the service's port.", default="")] = None
    protocol: Annotated[str | None, F(2, "TCP, UDP or SCTP.", default="TCP", enum=PROTOCOLS)] = None
    port: Annotated[Int32 | None, F(3, "The port; none for all.")] = None
    app_protocol: Annotated[str | None, F(4, "Protocol spoken on top.", form="qualified_name")] = None


class EndpointSlice(Object):
    """A part of the addresses behind a service."""

    address_type: Annotated[
        str, F(4, "Family of the addresses.", required=True, enum=("IPv4", "IPv6", "FQDN"), immutable=True)
    ] = ""
    endpoints: Annotated[list[Endpoint], F(2, "The endpoints.")] = always(list)
    ports: Annotated[list[SlicePort], F(3, "Ports of each endpoint.")] = always(list)
