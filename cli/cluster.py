"""The settings of one cluster on this host, and where they are kept.

They are written to `<config-dir>/cluster.yaml` at the first `steersman up`. A later command needs only `--root` or
`--config-dir` (or nothing, for the default cluster) to find everything again; what a later `up` is told by flag is
saved too. A value once saved stays, also when a newer version has another default.
"""

import argparse
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import yaml

from api.formats import dns_subdomain
from api.pools import Pool
from cli.errors import SettingsError
from cli.flags import read_flags
from cli.settings import Values, build, read_environment, read_file, settings_of, to_yaml
from client.files import write_atomically

ENV_PREFIX = "STEERSMAN_CLUSTER_"
FILE_NAME = "cluster.yaml"
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
IFNAME_MAX = 15
CHAIN_PREFIX = re.compile(r"[A-Z][A-Z0-9-]{0,11}")  # an iptables chain has at most 28 characters in all
API_SERVER = re.compile(r"https://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?/?")
DEFAULT_NAME = "steersman"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One cluster on this host. The four directories default to their usual places below `root`."""

    root: Path = field(default=Path("/"), metadata={"help": "directory below which the others lie"})
    config_dir: Path | None = field(
        default=None, metadata={"help": "settings, certificates, kubeconfig files; none: ROOT/etc/steersman"}
    )
    data_dir: Path | None = field(default=None, metadata={"help": "the cluster's state; none: ROOT/var/lib/steersman"})
    run_dir: Path | None = field(default=None, metadata={"help": "locks and sockets; none: ROOT/run/steersman"})
    log_dir: Path | None = field(
        default=None, metadata={"help": "log files of the components; none: ROOT/var/log/steersman"}
    )
    name: str = field(
        default=DEFAULT_NAME, metadata={"help": "name of the cluster; what it makes in Docker is labelled with it"}
    )
    node_name: str = field(default="", metadata={"help": "name of this host's node; none: the host name"})
    bind_address: str = field(
        default="0.0.0.0", metadata={"help": "address the API server, the agent and the monitor listen on"}
    )
    advertise_address: str = field(
        default="", metadata={"help": "address others reach this host at; none: that of the default route"}
    )
    apiserver_port: int = field(default=6443, metadata={"help": "port of the API"})
    agent_port: int = field(default=10250, metadata={"help": "port of the agent"})
    cadvisor_port: int = field(default=4194, metadata={"help": "port of the monitor's page and metrics"})
    netproxy_health_port: int = field(default=10256, metadata={"help": "port of netproxy's health and metrics"})
    controllers_health_port: int = field(
        default=10257, metadata={"help": "port of the controllers' health and metrics, on loopback"}
    )
    scheduler_health_port: int = field(
        default=10259, metadata={"help": "port of the scheduler's health and metrics, on loopback"}
    )
    dns_address: str = field(default="169.254.20.10", metadata={"help": "address of the name server"})
    dns_metrics_port: int = field(default=9153, metadata={"help": "port of the name server's metrics"})
    dns_port: int = field(default=53, metadata={"help": "port of the name server"})
    dns_interface: str = field(
        default="steer-dns", metadata={"help": "interface made to carry dns-address; empty: it exists already"}
    )
    api_servers: tuple[str, ...] = field(
        default=(),
        metadata={"help": "URLs of the other masters' API servers, for when the one of this host does not answer"},
    )
    service_cidr: str = field(default="10.96.0.0/16", metadata={"help": "addresses of services"})
    pod_cidr: str = field(default="10.244.0.0/16", metadata={"help": "addresses of pods; a node gets a /24 of it"})
    node_port_range: str = field(default="30000-32767", metadata={"help": "ports of services on the nodes"})
    load_balancer_pool: tuple[str, ...] = field(
        default=(), metadata={"help": "addresses for services of type LoadBalancer: networks, first-last, single ones"}
    )
    cluster_domain: str = field(default="cluster.local", metadata={"help": "domain of the cluster's names"})
    bridge: str = field(default="steer0", metadata={"help": "bridge the pods of this node are on"})
    chain_prefix: str = field(default="STEER", metadata={"help": "start of the names of all iptables chains"})
    etcd_servers: tuple[str, ...] = field(
        default=(), metadata={"help": "URLs of the members of an etcd that keeps the state; none: SQLite in data-dir"}
    )
    etcd_prefix: str = field(default="/registry", metadata={"help": "start of all keys in etcd"})
    etcd_cafile: Path | None = field(default=None, metadata={"help": "CA of etcd's certificates; none: the host's"})
    etcd_certfile: Path | None = field(default=None, metadata={"help": "client certificate towards etcd"})
    etcd_keyfile: Path | None = field(default=None, metadata={"help": "its key"})
    docker_host: str = field(
        default="unix:///var/run/docker.sock", metadata={"help": "where the Docker daemon listens"}
    )
    container_log_dir: Path = field(
        default=Path("/var/log/containers"), metadata={"help": "where links to the containers' logs are made"}
    )
    pod_log_dir: Path = field(default=Path("/var/log/pods"), metadata={"help": "where the logs of pods are linked"})
    log_level: str = field(default="info", metadata={"help": "what the components log: debug, info, warning, error"})

    @property
    def config(self) -> Path:
        return self.config_dir or self.root / "etc/steersman"

    @property
    def data(self) -> Path:
        return self.data_dir or self.root / "var/lib/steersman"

    @property
    def run(self) -> Path:
        return self.run_dir or self.root / "run/steersman"

    @property
    def logs(self) -> Path:
        return self.log_dir or self.root / "var/log/steersman"

    @property
    def file(self) -> Path:
        return self.config / FILE_NAME

    @property
    def pki(self) -> Path:
        return self.config / "pki"

    @property
    def server(self) -> str:
        return f"https://{_bracketed(self.advertise_address)}:{self.apiserver_port}"

    @property
    def local_server(self) -> str:
        """How this host's own components reach the API: also while the outer address changes."""
        host = "127.0.0.1" if self.bind_address in ("0.0.0.0", "::") else _bracketed(self.bind_address)
        return f"https://{host}:{self.apiserver_port}"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig file of a component, or of `admin`."""
        return self.config / f"{user}.kubeconfig"

    def check(self) -> list[str]:
        """Problems as `field: what is wrong`."""
        return [*_check_names(self), *_check_addresses(self), *_check_ports(self), *_check_etcd(self)]


PORT_FIELDS = tuple(one.name for one in fields(Settings) if one.name.endswith("_port"))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _check_names(settings: Settings) -> list[str]:
    problems = []
    if not NAME.fullmatch(settings.name):
        problems.append(f"name: {settings.name!r} must be lower-case letters, digits and dashes")
    if settings.node_name and not (NAME.fullmatch(settings.node_name) and len(settings.node_name) <= 253):
        problems.append(f"node_name: {settings.node_name!r} must be a lower-case DNS name")
    for name in ("bridge", "dns_interface"):
        value = getattr(settings, name)
        if len(value) > IFNAME_MAX or "/" in value or " " in value:
            problems.append(f"{name}: {value!r} is no interface name of at most {IFNAME_MAX} characters")
    if not settings.bridge:
        problems.append("bridge: must not be empty")
    if not CHAIN_PREFIX.fullmatch(settings.chain_prefix):
        problems.append(f"chain_prefix: {settings.chain_prefix!r} must be 1 to 12 capitals, digits and dashes")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        problems.append(f"log_level: {settings.log_level!r} is none of debug, info, warning, error")
    for one in fields(settings):
        value = getattr(settings, one.name)
        if isinstance(value, Path) and not value.is_absolute():
            problems.append(f"{one.name}: {value} must be an absolute path")
    return problems


def _check_addresses(settings: Settings) -> list[str]:
    problems = []
    for name in ("bind_address", "advertise_address", "dns_address"):
        try:
            if getattr(settings, name) or name != "advertise_address":
                ipaddress.ip_address(getattr(settings, name))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    for url in settings.api_servers:
        if not API_SERVER.fullmatch(url):
            problems.append(f"api_servers: {url!r} must be https://HOST:PORT")
    networks = {}
    for name in ("service_cidr", "pod_cidr"):
        try:
            networks[name] = ipaddress.ip_network(getattr(settings, name))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    try:
        Pool(settings.load_balancer_pool)
    except ValueError as error:
        problems.append(f"load_balancer_pool: {error}")
    if len(networks) == 2 and networks["service_cidr"].overlaps(networks["pod_cidr"]):
        problems.append(f"service_cidr: {settings.service_cidr} overlaps pod-cidr {settings.pod_cidr}")
    return problems


def _check_ports(settings: Settings) -> list[str]:
    problems = []
    seen: dict[int, str] = {}
    for name in PORT_FIELDS:
        port = getattr(settings, name)
        if not 1 <= port <= 65535:
            problems.append(f"{name}: {port} is not within 1-65535")
        elif port in seen and name != "dns_port":  # the name server has an address of its own
            problems.append(f"{name}: {port} is taken by {seen[port].replace('_', '-')}")
        seen[port] = name
    first, dash, last = settings.node_port_range.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last) <= 65535):
        problems.append(f"node_port_range: {settings.node_port_range!r} must be FIRST-LAST within 1-65535")
    return problems


def _check_etcd(settings: Settings) -> list[str]:
    if not (settings.etcd_servers or settings.etcd_cafile or settings.etcd_certfile or settings.etcd_keyfile):
        return []
    from master.apiserver.config import etcd_problems  # each command pays for its imports

    files = {"ca": settings.etcd_cafile, "certificate": settings.etcd_certfile, "key": settings.etcd_keyfile}
    return etcd_problems(settings.etcd_servers, settings.etcd_prefix, **files)


LOCATION = ("root", "config_dir")  # what a command needs to find the rest


def add_location_flags(parser: argparse.ArgumentParser) -> None:
    """The two flags by which every command finds a cluster that is not the default one."""
    parser.add_argument("--root", metavar="PATH", default=argparse.SUPPRESS, help="root of the cluster's directories")
    parser.add_argument(
        "--config-dir", dest="config_dir", metavar="PATH", default=argparse.SUPPRESS, help="where cluster.yaml lies"
    )


def load(namespace: argparse.Namespace, *, environ: Mapping[str, str] = os.environ) -> tuple[Settings, Values]:
    """The settings by flag, environment, saved file and default, and where each was said."""
    settings = settings_of(Settings)
    said = read_environment(ENV_PREFIX, settings, environ) | read_flags(namespace, settings)
    place = Settings(**{name: said[name].value for name in LOCATION if name in said})
    saved = read_file(place.file, settings) if place.file.exists() else {}
    return build(Settings, saved, said)


def is_installed(settings: Settings) -> bool:
    """Was this cluster ever brought up, and not uninstalled since?"""
    return settings.file.exists()


def refuse_host_name(settings: Settings) -> None:
    """A host may have a name that no node can have: said before anything is made. Of settings that are complete."""
    if wrong := dns_subdomain(settings.node_name):
        raise SettingsError(
            [f'node-name: Invalid value: "{settings.node_name}": {wrong}'],
            hint="it is the name of this host: say another one for the node with --node-name",
        )


def complete(settings: Settings) -> Settings:
    """The settings with what only this host knows: its name and its address."""
    return replace(
        settings,
        node_name=settings.node_name or socket.gethostname().lower(),
        advertise_address=settings.advertise_address or _outer_address(),
    )


def _outer_address() -> str:
    """The address of the default route's interface; loopback on a host without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # TEST-NET-2, RFC 5737
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def save(settings: Settings) -> None:
    """Write all settings to the cluster's file, atomically."""
    content = {one.key: to_yaml(getattr(settings, one.name)) for one in settings_of(Settings)}
    note = "# The settings of this cluster. Written by `steersman up`; flags of `up` change it.\n"
    settings.config.mkdir(parents=True, exist_ok=True)
    write_atomically(settings.file, (note + yaml.safe_dump(content, sort_keys=False)).encode())
