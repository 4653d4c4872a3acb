"""Pod: containers that live and die together and share one address."""

from typing import Annotated

import msgspec

from api.core.affinity import Affinity, Toleration, TopologySpreadConstraint
from api.core.container import Container, ContainerStatus, EphemeralContainer, ResourceRequirements
from api.core.references import LocalObjectReference
from api.core.security import PodSecurityContext
from api.core.volume import Volume
from api.meta import Object, ObjectMeta
from api.scalars import Int32, Int64, Resources, Time
from api.struct import F, Struct

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


class HostAlias(Struct):
    """A line of the pod's /etc/hosts."""

    ip: Annotated[str, F(1, "The address.", listed=True, form="ip")] = ""
    hostnames: Annotated[list[str], F(2, "Its names.")] = []


class PodDNSConfigOption(Struct):
    """An option of resolv.conf."""

    name: Annotated[str, F(1, "Name of the option.", required=True, listed=False)] = ""
    value: Annotated[str | None, F(2, "Its value.")] = None


class PodDNSConfig(Struct):
    """Additions to the pod's resolv.conf."""

    nameservers: Annotated[list[str], F(1, "Further name servers.")] = []
    searches: Annotated[list[str], F(2, "Further search domains.")] = []
    options: Annotated[list[PodDNSConfigOption], F(3, "Further options.")] = []


class PodReadinessGate(Struct):
    """A condition that must be True for the pod to be ready."""

    condition_type: Annotated[str, F(1, "Type of the condition.", required=True)] = ""


class PodSchedulingGate(Struct):
    """Holds scheduling back until it is removed."""

    name: Annotated[str, F(1, "Name of the gate.", required=True)] = ""


class PodOS(Struct):
    """The operating system for which the pod is made."""

    name: Annotated[str, F(1, "linux or windows.", required=True, enum=("linux", "windows"))] = ""


class PodSpec(Struct):
    """What is wanted of a pod."""

    volumes: Annotated[
        list[Volume], F(1, "Volumes that containers can mount.", merge_key="name", retain_keys=True)
    ] = []
    init_containers: Annotated[
        list[Container], F(20, "Run one after the other before the containers.", merge_key="name")
    ] = []
    containers: Annotated[list[Container], F(2, "The programs; at least one.", required=True, merge_key="name")] = []
    ephemeral_containers: Annotated[
        list[EphemeralContainer], F(34, "Added to a running pod to look into it.", merge_key="name")
    ] = []
    restart_policy: Annotated[
        str, F(3, "When an ended container is started again.", default="Always", enum=RESTART_POLICIES)
    ] = ""
    termination_grace_period_seconds: Annotated[
        Int64 | None, F(4, "Seconds between TERM and KILL; less than none is one.", default=30)
    ] = None
    active_deadline_seconds: Annotated[
        Int64 | None, F(5, "Seconds after which the pod fails.", minimum=1, maximum=2**31 - 1)
    ] = None
    dns_policy: Annotated[
        str,
        F(
            6,
            "Who resolves names for the pod.",
            default="ClusterFirst",
            enum=("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
        ),
    ] = ""
    node_selector: Annotated[dict[str, str], F(7, "Labels that the node must have.", form="label")] = {}
    service_account_name: Annotated[str, F(8, "As whom the pod talks to the API.")] = ""
    service_account: Annotated[str, F(9, "Old name of serviceAccountName.")] = ""
    automount_service_account_token: Annotated[bool | None, F(21, "Whether a token is mounted.")] = None
    node_name: Annotated[str, F(10, "The node; set by the scheduler.")] = ""
    host_network: Annotated[bool, F(11, "Use the node's network.")] = False
    host_pid: Annotated[bool, F(12, "See the node's processes.")] = False
    host_ipc: Annotated[bool, F(13, "Share the node's IPC namespace.")] = False
    share_process_namespace: Annotated[bool | None, F(27, "Containers see each other's processes.")] = None
    security_context: Annotated[PodSecurityContext | None, F(14, "What all containers may do.")] = msgspec.field(
        default=None
    )
    image_pull_secrets: Annotated[
        list[LocalObjectReference], F(15, "Credentials for image registries.", merge_key="name")
    ] = []
    hostname: Annotated[str, F(16, "Host name; the pod's name by default.", form="dns_label")] = ""
    subdomain: Annotated[str, F(17, "Subdomain of the host name.", form="dns_label")] = ""
    affinity: Annotated[Affinity | None, F(18, "Wishes about nodes and neighbours.")] = None
    scheduler_name: Annotated[str, F(19, "Who places the pod.", default="default-scheduler")] = ""
    tolerations: Annotated[list[Toleration], F(22, "Taints that the pod bears.")] = []
    host_aliases: Annotated[list[HostAlias], F(23, "Further lines of /etc/hosts.", merge_key="ip")] = []
    priority_class_name: Annotated[str, F(24, "Name of the pod's priority.")] = ""
    priority: Annotated[Int32 | None, F(25, "The priority as a number.")] = None
    dns_config: Annotated[PodDNSConfig | None, F(26, "Additions to resolv.conf.")] = None
    readiness_gates: Annotated[list[PodReadinessGate], F(28, "Further conditions of being ready.")] = []
    runtime_class_name: Annotated[str | None, F(29, "Which container runtime.")] = None
    enable_service_links: Annotated[bool | None, F(30, "Variables for the services; true when left out.")] = None
    preemption_policy: Annotated[
        str | None, F(31, "Whether it may push others out.", enum=("PreemptLowerPriority", "Never"))
    ] = None
    overhead: Annotated[Resources, F(32, "What the pod costs beside its containers.")] = {}
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint],
        F(33, "How pods are spread.", merge_key="topologyKey", second_key="whenUnsatisfiable"),
    ] = []
    set_hostname_as_fqdn: Annotated[bool | None, F(35, "Host name is the full domain name.")] = None
    os: Annotated[PodOS | None, F(36, "Operating system of the containers.")] = None
    host_users: Annotated[bool | None, F(37, "Use the host's user namespace.")] = None
    scheduling_gates: Annotated[list[PodSchedulingGate], F(38, "Hold scheduling back.", merge_key="name")] = []
    resources: Annotated[ResourceRequirements | None, F(40, "What the pod as a whole needs.")] = None


class PodCondition(Struct):
    """One aspect of a pod's state."""

    type: Annotated[str, F(1, "PodScheduled, Initialized, ContainersReady, Ready or another.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_probe_time: Annotated[Time | None, F(3, "When it was looked at.")] = None
    last_transition_time: Annotated[Time | None, F(4, "When the status changed last.")] = None
    reason: Annotated[str, F(5, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(6, "Sentence for people.")] = ""


class PodIP(Struct):
    """An address of a pod."""

    ip: Annotated[str, F(1, "The address.", required=True)] = ""


class HostIP(Struct):
    """An address of a pod's node."""

    ip: Annotated[str, F(1, "The address.", required=True)] = ""


class PodStatus(Struct):
    """What became of a pod."""

    phase: Annotated[str, F(1, "Pending, Running, Succeeded, Failed or Unknown.", enum=("", *PHASES))] = ""
    conditions: Annotated[list[PodCondition], F(2, "Aspects of its state.", merge_key="type")] = []
    message: Annotated[str, F(3, "Sentence for people.")] = ""
    reason: Annotated[str, F(4, "CamelCase word, as Evicted.")] = ""
    nominated_node_name: Annotated[str, F(11, "Node on which room is being made.")] = ""
    host_ip: Annotated[str, F(5, "Address of its node.")] = ""
    host_ips: Annotated[list[HostIP], F(16, "Addresses of its node.", merge_key="ip")] = []
    pod_ip: Annotated[str, F(6, "Its address.")] = ""
    pod_ips: Annotated[list[PodIP], F(12, "Its addresses.", merge_key="ip")] = []
    start_time: Annotated[Time | None, F(7, "When its node took it on.")] = None
    init_container_statuses: Annotated[list[ContainerStatus], F(10, "Of init containers.")] = []
    container_statuses: Annotated[list[ContainerStatus], F(8, "Of containers.")] = []
    qos_class: Annotated[str, F(9, "From requests and limits.", enum=("", "Guaranteed", "Burstable", "BestEffort"))] = (
        ""
    )
    ephemeral_container_statuses: Annotated[list[ContainerStatus], F(13, "Of ephemeral containers.")] = []
    observed_generation: Annotated[Int64, F(17, "The generation that this speaks of.")] = 0


class Pod(Object):
    """Containers that live and die together and share one address."""

    spec: Annotated[PodSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=PodSpec)
    status: Annotated[PodStatus, F(3, "What is.")] = msgspec.field(default_factory=PodStatus)


class PodTemplateSpec(Struct):
    """What the pods that a controller makes look like."""

    metadata: Annotated[ObjectMeta, F(1, "Labels and annotations of the pods.")] = msgspec.field(
        default_factory=ObjectMeta
    )
    spec: Annotated[PodSpec, F(2, "What is wanted of the pods.")] = msgspec.field(default_factory=PodSpec)
