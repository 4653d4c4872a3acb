"""Service: one stable address for a changing set of pods. Endpoints: the addresses of that set."""

from typing import Annotated, ClassVar

import msgspec

from api.core.container import PROTOCOLS
from api.core.references import ObjectReference
from api.meta import Condition, Object
from api.scalars import Int32, IntOrString
from api.struct import F, Struct

SERVICE_TYPES = ("ExternalName", "ClusterIP", "NodePort", "LoadBalancer")
_TRAFFIC_POLICIES = ("Cluster", "Local")


class ServicePort(Struct):
    """A port of a service."""

    name: Annotated[str, F(1, "Needed when there is more than one.", form="dns_label")] = ""
    protocol: Annotated[str, F(2, "TCP, UDP or SCTP.", default="TCP", enum=PROTOCOLS)] = ""
    app_protocol: Annotated[str | None, F(6, "Protocol spoken on top.", form="qualified_name")] = None
    port: Annotated[Int32, F(3, "Port on the cluster address.", listed=True, minimum=1, maximum=65535)] = 0
    target_port: Annotated[IntOrString, F(4, "Number or name of the pods' port; port by default.", form="port")] = 0
    node_port: Annotated[
        Int32, F(5, "Port on every node; given by the server when left out.", minimum=0, maximum=65535)
    ] = 0


class ClientIPConfig(Struct):
    """How long a client stays with its pod."""

    timeout_seconds: Annotated[Int32 | None, F(1, "Seconds.", default=10800, minimum=1, maximum=86400)] = None


class SessionAffinityConfig(Struct):
    """Details of session affinity."""

    client_ip: Annotated[ClientIPConfig | None, F(1, "For ClientIP.")] = None


class ServiceSpec(Struct):
    """Which pods, under which address."""

    ports: Annotated[list[ServicePort], F(1, "The ports.", merge_key="port", second_key="protocol")] = []
    selector: Annotated[
        dict[str, str], F(2, "Labels of the pods; none when endpoints are given by hand.", form="label")
    ] = {}
    cluster_ip: Annotated[str, F(3, "Address in the cluster; given by the server; None for headless.")] = ""
    cluster_ips: Annotated[list[str], F(18, "Addresses in the cluster.")] = []
    type: Annotated[str, F(4, "How it can be reached.", default="ClusterIP", enum=SERVICE_TYPES)] = ""
    external_ips: Annotated[list[str], F(5, "Further addresses that lead to a node.", form="ip")] = []
    session_affinity: Annotated[
        str, F(7, "ClientIP keeps a client on one pod.", default="None", enum=("ClientIP", "None"))
    ] = ""
    load_balancer_ip: Annotated[str, F(8, "Address asked of the load balancer.")] = ""
    load_balancer_source_ranges: Annotated[list[str], F(9, "Clients that the load balancer lets in.")] = []
    external_name: Annotated[str, F(10, "Name outside the cluster, for ExternalName.")] = ""
    external_traffic_policy: Annotated[
        str, F(11, "Which pods outside traffic may reach.", enum=("", *_TRAFFIC_POLICIES))
    ] = ""
    health_check_node_port: Annotated[Int32, F(12, "Port that tells whether a node has pods.")] = 0
    publish_not_ready_addresses: Annotated[bool, F(13, "Count pods that are not ready.")] = False
    session_affinity_config: Annotated[SessionAffinityConfig | None, F(14, "Details of the affinity.")] = None
    ip_families: Annotated[list[str], F(19, "IPv4, IPv6.")] = []
    ip_family_policy: Annotated[
        str | None,
        F(17, "One or two families.", enum=("SingleStack", "PreferDualStack", "RequireDualStack")),
    ] = None
    allocate_load_balancer_node_ports: Annotated[bool | None, F(20, "Node ports for a load balancer.")] = None
    load_balancer_class: Annotated[str | None, F(21, "Who provides the load balancer.")] = None
    internal_traffic_policy: Annotated[
        str | None, F(22, "Which pods inside traffic may reach.", enum=_TRAFFIC_POLICIES)
    ] = None
    traffic_distribution: Annotated[str | None, F(23, "Which pods are preferred.")] = None


class PortStatus(Struct):
    """What became of a port of a load balancer."""

    port: Annotated[Int32, F(1, "The port.", listed=True)] = 0
    protocol: Annotated[str, F(2, "Its protocol.", listed=True)] = ""
    error: Annotated[str | None, F(3, "What went wrong.")] = None


class LoadBalancerIngress(Struct):
    """Where a load balancer takes traffic in."""

    ip: Annotated[str, F(1, "Its address.")] = ""
    hostname: Annotated[str, F(2, "Its name.")] = ""
    ip_mode: Annotated[str | None, F(3, "VIP or Proxy.")] = None
    ports: Annotated[list[PortStatus], F(4, "Its ports.")] = []


class LoadBalancerStatus(Struct):
    """State of a load balancer."""

    ingress: Annotated[list[LoadBalancerIngress], F(1, "Where it takes traffic in.")] = []


class ServiceStatus(Struct):
    """State of a service."""

    load_balancer: Annotated[LoadBalancerStatus, F(1, "Of its load balancer.")] = msgspec.field(
        default_factory=LoadBalancerStatus
    )
    conditions: Annotated[list[Condition], F(2, "Aspects of its state.", merge_key="type")] = []


class Service(Object):
    """One stable address for a changing set of pods."""

    spec: Annotated[ServiceSpec, F(2, "Which pods, under which address.")] = msgspec.field(default_factory=ServiceSpec)
    status: Annotated[ServiceStatus, F(3, "What is.")] = msgspec.field(default_factory=ServiceStatus)


class EndpointAddress(Struct):
    """One address behind a service."""

    whole: ClassVar = True
    ip: Annotated[str, F(1, "The address.", listed=True, form="ip")] = ""
    hostname: Annotated[str, F(3, "Name under the service's name.")] = ""
    node_name: Annotated[str | None, F(4, "On which node it is.")] = None
    target_ref: Annotated[ObjectReference | None, F(2, "The pod, usually.")] = None


class EndpointPort(Struct):
    """One port of the addresses."""

    whole: ClassVar = True
    name: Annotated[str, F(1, "Name of the service's port.")] = ""
    port: Annotated[Int32, F(2, "The port.", listed=True, minimum=1, maximum=65535)] = 0
    protocol: Annotated[str, F(3, "TCP, UDP or SCTP.", default="TCP", enum=PROTOCOLS)] = ""
    app_protocol: Annotated[str | None, F(4, "Protocol spoken on top.", form="qualified_name")] = None


class EndpointSubset(Struct):
    """Addresses that share the same ports."""

    addresses: Annotated[list[EndpointAddress], F(1, "Those that are ready.")] = []
    not_ready_addresses: Annotated[list[EndpointAddress], F(2, "Those that are not.")] = []
    ports: Annotated[list[EndpointPort], F(3, "Ports of each address.")] = []


class Endpoints(Object):
    """The addresses behind the service of the same name."""

    subsets: Annotated[list[EndpointSubset], F(2, "Addresses, grouped by ports.")] = []
