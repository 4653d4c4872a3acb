"""What the agent is told: every setting with its default, its help and its check."""

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from agent.dbus import SYSTEM_BUS
from agent.network.modes import AUTO, MODES
from agent.node.taints import taint_of
from api.scalars import Quantity

IFNAME_MAX = 15  # IFNAMSIZ is 16, the closing zero included
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


def default_node_name() -> str:
    return socket.gethostname().lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Settings of one agent; each becomes a flag, an environment variable and a key of the file."""

    name: str = field(default="steersman", metadata={"help": "name of the cluster; marks all that is made on Docker"})
    kubeconfig: Path = field(
        default=Path("/etc/steersman/agent.kubeconfig"),
        metadata={"help": "kubeconfig file that leads to the master"},
    )
    node_name: str = field(default="", metadata={"help": "name of this node; the host name by default"})
    node_ip: str = field(default="", metadata={"help": "address of this node; that of the default route by default"})
    register_node: bool = field(default=True, metadata={"help": "make the Node object when there is none"})
    node_labels: dict[str, str] = field(default_factory=dict, metadata={"help": "labels set when the node registers"})
    register_with_taints: tuple[str, ...] = field(
        default=(), metadata={"help": "taints set when the node registers, as key=value:NoSchedule"}
    )
    docker_host: str = field(
        default="unix:///var/run/docker.sock", metadata={"help": "address of the Docker daemon: unix:// or tcp://"}
    )
    docker_timeout_s: float = field(default=30.0, metadata={"help": "seconds to wait for one call to Docker"})
    data_dir: Path = field(
        default=Path("/var/lib/steersman/agent"), metadata={"help": "directory for volumes and other state of pods"}
    )
    bridge: str = field(default="steer0", metadata={"help": "bridge and Docker network to which pods are attached"})
    pod_cidr: str = field(default="", metadata={"help": "addresses of the pods; from the Node object by default"})
    pod_network_mode: str = field(
        default=AUTO,
        metadata={
            "help": "ways to pods of other nodes: auto (plain routes on one segment, VXLAN behind a router), routes, "
            "vxlan, off"
        },
    )
    vxlan_id: int = field(default=84, metadata={"help": "network identifier of the tunnel, the same on all nodes"})
    vxlan_port: int = field(default=8472, metadata={"help": "UDP port of the tunnel, the same on all nodes"})
    cluster_dns: tuple[str, ...] = field(
        default=("169.254.20.10",), metadata={"help": "name servers of pods with dnsPolicy ClusterFirst"}
    )
    cluster_domain: str = field(default="cluster.local", metadata={"help": "domain under which cluster names live"})
    resolv_conf: Path = field(
        default=Path("/etc/resolv.conf"), metadata={"help": "the host's resolvers, for dnsPolicy Default"}
    )
    address: str = field(default="0.0.0.0", metadata={"help": "address on which the agent's port listens"})
    port: int = field(default=10250, metadata={"help": "the agent's port; 0 takes a free one"})
    tls_cert_file: Path = field(
        default=Path("/etc/steersman/pki/agent.crt"), metadata={"help": "certificate of the agent's port"}
    )
    tls_private_key_file: Path = field(
        default=Path("/etc/steersman/pki/agent.key"), metadata={"help": "key of that certificate"}
    )
    client_ca_file: Path = field(
        default=Path("/etc/steersman/pki/ca.crt"), metadata={"help": "CA of the clients of the agent's port"}
    )
    client_groups: tuple[str, ...] = field(
        default=("system:masters",), metadata={"help": "groups (O of the certificate) that may use the agent's port"}
    )
    server_connections: int = field(default=64, metadata={"help": "clients served at once on the agent's port"})
    stream_connections: int = field(
        default=40, metadata={"help": "exec, attach and port-forward at once, out of server_connections"}
    )
    stream_idle_s: float = field(
        default=4 * 3600.0, metadata={"help": "seconds without data after which such a stream is ended"}
    )
    stream_ping_s: float = field(default=10.0, metadata={"help": "seconds between signs of life on such a stream"})
    workers: int = field(default=6, metadata={"help": "pods worked on at once"})
    probe_workers: int = field(default=8, metadata={"help": "probes under way at once"})
    pull_workers: int = field(default=3, metadata={"help": "images pulled at once"})
    hook_workers: int = field(default=8, metadata={"help": "life-cycle hooks under way at once"})
    endpoint_drain_s: float = field(
        default=2.0,
        metadata={
            "help": "seconds between the deletion of a ready pod behind a service and its stop signal, at most half "
            "its grace: proxies lead new connections elsewhere meanwhile"
        },
    )
    restart_base_s: float = field(default=1.0, metadata={"help": "first back-off of a container that keeps ending"})
    restart_cap_s: float = field(default=60.0, metadata={"help": "longest back-off of such a container"})
    restart_reset_s: float = field(default=600.0, metadata={"help": "seconds of running that end the back-off"})
    pull_base_s: float = field(default=10.0, metadata={"help": "first back-off of a pull that fails"})
    pull_cap_s: float = field(default=300.0, metadata={"help": "longest back-off of a pull"})
    relist_s: float = field(default=30.0, metadata={"help": "seconds between full looks at Docker beside its events"})
    manifest_dir: Path | None = field(
        default=None, metadata={"help": "folder of manifests of static pods, which run without the master"}
    )
    manifest_look_s: float = field(default=5.0, metadata={"help": "seconds between looks at that folder"})
    volume_refresh_s: float = field(
        default=60.0, metadata={"help": "seconds between looks at what configMap, secret and projected volumes hold"}
    )
    lease_s: int = field(default=40, metadata={"help": "seconds that the node's lease counts; renewed at a quarter"})
    status_s: float = field(default=300.0, metadata={"help": "seconds between reports of an unchanged node"})
    cgroups_per_qos: bool = field(
        default=True, metadata={"help": "a cgroup for each pod, under those of its quality of service"}
    )
    cgroup_root: str = field(default="/", metadata={"help": "cgroup under which kubepods is made"})
    allowed_unsafe_sysctls: tuple[str, ...] = field(
        default=(), metadata={"help": "sysctls that pods may set beside the safe ones; net.core.* for all of a kind"}
    )
    max_pods: int = field(default=110, metadata={"help": "pods that the node offers to take"})
    system_reserved_cpu: str = field(default="0", metadata={"help": "CPU kept from pods, as 500m"})
    system_reserved_memory: str = field(default="0", metadata={"help": "memory kept from pods, as 512Mi"})
    memory_available_bytes: int = field(
        default=100 * 2**20, metadata={"help": "MemoryPressure when less memory is available"}
    )
    disk_available_percent: float = field(
        default=10.0, metadata={"help": "DiskPressure when less of a file system is free"}
    )
    pid_available_percent: float = field(default=10.0, metadata={"help": "PIDPressure when fewer process ids are free"})
    pressure_look_s: float = field(default=10.0, metadata={"help": "seconds between looks at what the node has left"})
    image_gc_high_percent: float = field(
        default=85.0, metadata={"help": "disk in use at which unused images are removed; 100 removes none"}
    )
    image_gc_low_percent: float = field(default=80.0, metadata={"help": "disk in use at which that ends"})
    shutdown_grace_period_s: float = field(
        default=0.0,
        metadata={"help": "seconds for pods to end before the machine shuts down; 0: not waited for"},
    )
    shutdown_grace_period_critical_pods_s: float = field(
        default=0.0, metadata={"help": "seconds of these that are kept for critical pods, which end last"}
    )
    dbus_address: str = field(default=SYSTEM_BUS, metadata={"help": "bus on which systemd and its login manager are"})
    log_max_size: str = field(default="10m", metadata={"help": "size at which a container's log is rotated"})
    log_max_files: int = field(default=5, metadata={"help": "log files kept of one container"})
    container_log_dir: Path = field(
        default=Path("/var/log/containers"), metadata={"help": "links to the logs, one a container"}
    )
    pod_log_dir: Path = field(default=Path("/var/log/pods"), metadata={"help": "links to the logs, a folder a pod"})
    pause_image: str = field(
        default="", metadata={"help": "image of the sandbox; made here by default, without any registry"}
    )

    @property
    def node(self) -> str:
        """Name of this node."""
        return self.node_name or default_node_name()

    def check(self) -> list[str]:
        """The problems of these settings, each as "field: what is wrong"."""
        return [*_check_names(self), *_check_addresses(self), *_check_numbers(self)]


def _check_names(config: Config) -> list[str]:
    problems = []
    for name in ("name", "node", "cluster_domain"):
        value = getattr(config, name)
        if not _DNS_NAME.fullmatch(value):
            shown = "node_name" if name == "node" else name
            problems.append(f"{shown}: {value!r} is no DNS name of lower-case letters, digits, '-' and '.'")
    if not config.bridge or len(config.bridge) > IFNAME_MAX or re.search(r"[/\s]", config.bridge):
        problems.append(f"bridge: {config.bridge!r} is no interface name of at most {IFNAME_MAX} characters")
    if not re.fullmatch(r"[1-9]\d*[kmg]?", config.log_max_size):
        problems.append(f"log_max_size: {config.log_max_size!r} is no size as 10m")
    if not config.docker_host.startswith(("unix://", "tcp://")):
        problems.append("docker_host: must begin with unix:// or tcp://")
    if not re.fullmatch(r"/|(/[a-zA-Z0-9][a-zA-Z0-9_.-]*)+", config.cgroup_root):
        problems.append(f"cgroup_root: {config.cgroup_root!r} is no path of a cgroup, as / or /name")
    for taint in config.register_with_taints:
        try:
            taint_of(taint)
        except ValueError as error:
            problems.append(f"register_with_taints: {error}")
    if config.pod_network_mode not in MODES:
        problems.append(f"pod_network_mode: {config.pod_network_mode!r} is none of {', '.join(MODES)}")
    return problems


def _check_addresses(config: Config) -> list[str]:
    problems = []
    single = [("address", config.address), ("node_ip", config.node_ip)]
    for name, text in [*single, *(("cluster_dns", server) for server in config.cluster_dns)]:
        try:
            if text:
                ipaddress.ip_address(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    try:
        if config.pod_cidr and ipaddress.IPv4Network(config.pod_cidr).num_addresses < 8:
            problems.append("pod_cidr: must hold at least 8 addresses")
    except ValueError as error:
        problems.append(f"pod_cidr: {error}")
    return problems


_AT_LEAST_ONE = [
    "server_connections",
    "stream_connections",
    "workers",
    "probe_workers",
    "pull_workers",
    "hook_workers",
    "lease_s",
    "max_pods",
    "log_max_files",
]
_POSITIVE = [
    "docker_timeout_s",
    "restart_base_s",
    "restart_reset_s",
    "pull_base_s",
    "relist_s",
    "status_s",
    "volume_refresh_s",
    "pressure_look_s",
    "manifest_look_s",
    "stream_idle_s",
    "stream_ping_s",
]


def _check_numbers(config: Config) -> list[str]:
    problems = [f"{name}: must be at least 1" for name in _AT_LEAST_ONE if getattr(config, name) < 1]
    problems += [f"{name}: must be greater than 0" for name in _POSITIVE if not getattr(config, name) > 0]
    if not config.endpoint_drain_s >= 0:
        problems.append("endpoint_drain_s: must not be negative")
    if not 0 <= config.shutdown_grace_period_critical_pods_s <= max(config.shutdown_grace_period_s, 0.0):
        problems.append("shutdown_grace_period_critical_pods_s: must be within 0 and shutdown_grace_period_s")
    if config.stream_connections >= config.server_connections:
        problems.append("stream_connections: must be less than server_connections")
    if not 0 <= config.port <= 65535:
        problems.append(f"port: {config.port} is not within 0-65535")
    if not 1 <= config.vxlan_port <= 65535:
        problems.append(f"vxlan_port: {config.vxlan_port} is not within 1-65535")
    if not 1 <= config.vxlan_id < 2**24:
        problems.append(f"vxlan_id: {config.vxlan_id} is not within 1-16777215")
    for base, cap in (("restart_base_s", "restart_cap_s"), ("pull_base_s", "pull_cap_s")):
        if getattr(config, cap) < getattr(config, base):
            problems.append(f"{cap}: must not be less than {base}")
    if not 0 < config.image_gc_high_percent <= 100:
        problems.append("image_gc_high_percent: must be within 0-100")
    if not 0 <= config.image_gc_low_percent < config.image_gc_high_percent:
        problems.append("image_gc_low_percent: must be less than image_gc_high_percent")
    for name in ("disk_available_percent", "pid_available_percent"):
        if not 0 <= getattr(config, name) < 100:
            problems.append(f"{name}: must be within 0-100")
    return problems + _check_reserved(config)


def _check_reserved(config: Config) -> list[str]:
    problems = []
    for name in ("system_reserved_cpu", "system_reserved_memory"):
        try:
            if Quantity(getattr(config, name)).value < 0:
                problems.append(f"{name}: must not be negative")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems
