"""Node: a host that runs pods."""

from typing import Annotated

import msgspec

from api.core.affinity import TAINT_EFFECTS
from api.meta import Object
from api.scalars import Int32, Int64, Resources, Time
from api.struct import F, Struct, always


class Taint(Struct):
    """Keeps pods away that do not bear it."""

    key: Annotated[str, F(1, "Key of the taint.", required=True, form="qualified_name")] = ""
    value: Annotated[str, F(2, "Its value.", form="label_value")] = ""
    effect: Annotated[str, F(3, "What it does.", required=True, enum=TAINT_EFFECTS)] = ""
    time_added: Annotated[Time | None, F(4, "When it was put on.")] = None


class NodeSpec(Struct):
    """What is wanted of a node."""

    pod_cidr: Annotated[str, F(1, "Addresses of its pods.")] = ""
    pod_cidrs: Annotated[list[str], F(7, "Addresses of its pods, a range for each family.", merge=True)] = []
    provider_id: Annotated[str, F(3, "Its name at the machine's provider.")] = ""
    unschedulable: Annotated[bool, F(4, "No new pods; set by kubectl cordon.")] = False
    taints: Annotated[list[Taint], F(5, "Taints of the node.")] = []


class NodeCondition(Struct):
    """One aspect of a node's state."""

    type: Annotated[str, F(1, "Ready, MemoryPressure, DiskPressure, PIDPressure or another.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_heartbeat_time: Annotated[Time | None, F(3, "When it was reported last.")] = None
    last_transition_time: Annotated[Time | None, F(4, "When the status changed last.")] = None
    reason: Annotated[str, F(5, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(6, "Sentence for people.")] = ""


class NodeAddress(Struct):
    """An address of a node."""

    type: Annotated[str, F(1, "Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS.", required=True)] = ""
    address: Annotated[str, F(2, "The address.", required=True)] = ""


class DaemonEndpoint(Struct):
    """Port of a daemon."""

    port: Annotated[Int32, F(1, "The port.", listed=True)] = msgspec.field(default_factory=int, name="Port")


class NodeDaemonEndpoints(Struct):
    """Ports of the node's daemons."""

    kubelet_endpoint: Annotated[DaemonEndpoint | None, F(1, "Port of the node agent.")] = None


class NodeSystemInfo(Struct):
    """What the node is made of."""

    machine_id: Annotated[str, F(1, "From /etc/machine-id.", listed=True)] = always(str)
    system_uuid: Annotated[str, F(2, "From the firmware.", listed=True)] = always(str)
    boot_id: Annotated[str, F(3, "New with each boot.", listed=True)] = always(str)
    kernel_version: Annotated[str, F(4, "As uname -r.", listed=True)] = always(str)
    os_image: Annotated[str, F(5, "Name of the distribution.", listed=True)] = always(str)
    container_runtime_version: Annotated[str, F(6, "As docker://20.10.24.", listed=True)] = always(str)
    kubelet_version: Annotated[str, F(7, "Version of the node agent.", listed=True)] = always(str)
    kube_proxy_version: Annotated[str, F(8, "Version of the node proxy.", listed=True)] = always(str)
    operating_system: Annotated[str, F(9, "linux", listed=True)] = always(str)
    architecture: Annotated[str, F(10, "As amd64.", listed=True)] = always(str)


class ContainerImage(Struct):
    """An image on the node."""

    names: Annotated[list[str], F(1, "Its names.")] = []
    size_bytes: Annotated[Int64, F(2, "Its size.")] = 0


class NodeStatus(Struct):
    """State of a node."""

    capacity: Annotated[Resources, F(1, "All that it has.")] = {}
    allocatable: Annotated[Resources, F(2, "What pods may use.")] = {}
    phase: Annotated[str, F(3, "Pending, Running or Terminated.")] = ""
    conditions: Annotated[list[NodeCondition], F(4, "Aspects of its state.", merge_key="type")] = []
    addresses: Annotated[list[NodeAddress], F(5, "Its addresses.", merge_key="type")] = []
    daemon_endpoints: Annotated[NodeDaemonEndpoints | None, F(6, "Ports of its daemons.")] = None
    node_info: Annotated[NodeSystemInfo | None, F(7, "What it is made of.")] = None
    images: Annotated[list[ContainerImage], F(8, "Images on it.")] = []
    volumes_in_use: Annotated[list[str], F(9, "Volumes that are mounted.")] = []


class Node(Object):
    """A host that runs pods."""

    spec: Annotated[NodeSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=NodeSpec)
    status: Annotated[NodeStatus, F(3, "What is.")] = msgspec.field(default_factory=NodeStatus)
