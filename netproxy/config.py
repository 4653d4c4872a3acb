"""What netproxy is told: every setting with its default, its help and its check."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from api.pools import Pool
from netproxy.modes import MODES, USERSPACE
from netproxy.portals.rules import MAX_PREFIX
from netproxy.portals.tables import AUTO
from netproxy.portals.tables import MODES as IPTABLES_MODES


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Settings of one proxy; each becomes a flag, an environment variable and a key of the file."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/netproxy.kubeconfig"),
        metadata={"help": "kubeconfig file that leads to the master"},
    )
    services: Path | None = field(
        default=None,
        metadata={"help": "YAML or JSON file of Service and EndpointSlice objects to serve; no master is asked then"},
    )
    node_name: str = field(
        default="", metadata={"help": "name of this node in events; empty: the host's name in small letters"}
    )
    cluster_cidr: str = field(
        default="10.96.0.0/16",
        metadata={"help": "range of service addresses; what is in it and has no endpoint is refused"},
    )
    proxy_mode: str = field(
        default=USERSPACE,
        metadata={"help": "userspace: this program copies connections; nftables: the kernel rewrites addresses"},
    )
    iptables_mode: str = field(
        default=AUTO,
        metadata={"help": "which iptables is written: nft, legacy, or auto for that of the host's iptables command"},
    )
    transparent: bool = field(
        default=True,
        metadata={"help": "have pods of this node see their clients' addresses, where the kernel can (userspace)"},
    )
    node_port_range: str = field(
        default="30000-32767",
        metadata={"help": "ports the kernel gives to no client of this host (ip_local_reserved_ports); empty: none"},
    )
    load_balancer_pool: tuple[str, ...] = field(
        default=(),
        metadata={"help": "addresses of load balancers that a node answers for: networks, first-last, or single ones"},
    )
    chain_prefix: str = field(
        default="STEER", metadata={"help": "first part of the names of our iptables chains, unique on the host"}
    )
    healthz_bind_address: str = field(default="0.0.0.0", metadata={"help": "address of the health and metrics port"})
    healthz_port: int = field(default=10256, metadata={"help": "port for /healthz and /metrics; 0 takes a free one"})
    udp_unanswered_s: float = field(
        default=30.0, metadata={"help": "seconds to wait for the first answer to a client's datagrams"}
    )
    udp_idle_s: float = field(
        default=5.0, metadata={"help": "seconds a client's UDP flow is kept once it was answered and is silent"}
    )
    rule_check_s: float = field(
        default=30.0,
        metadata={"help": "seconds between looks at our rules; where the kernel tells of deletions, at the rest alone"},
    )
    state_file: Path = field(
        default=Path("/var/lib/steersman/netproxy/state.json"),
        metadata={"help": "last known services and ports, for a start while the master is away"},
    )
    cleanup: bool = field(default=False, metadata={"help": "remove our rules, chains, route and state, and exit"})

    def check(self) -> list[str]:
        """The problems of these settings, each as "field: what is wrong"."""
        problems = [*_check_cidr(self.cluster_cidr), *_check_address(self.healthz_bind_address)]
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", self.chain_prefix) or len(self.chain_prefix) > MAX_PREFIX:
            problems.append(f"chain_prefix: {self.chain_prefix!r} is not 1 to {MAX_PREFIX} letters, digits and dashes")
        if self.proxy_mode not in MODES:
            problems.append(f"proxy_mode: {self.proxy_mode!r} is none of {', '.join(MODES)}")
        if self.iptables_mode not in IPTABLES_MODES:
            problems.append(f"iptables_mode: {self.iptables_mode!r} is none of {', '.join(IPTABLES_MODES)}")
        problems += _check_range(self.node_port_range)
        problems += _check_pool(self.load_balancer_pool)
        if not 0 <= self.healthz_port <= 65535:
            problems.append(f"healthz_port: {self.healthz_port} is not within 0-65535")
        for name in ("udp_unanswered_s", "udp_idle_s", "rule_check_s"):
            if not getattr(self, name) > 0:
                problems.append(f"{name}: must be greater than 0")
        return problems

    @property
    def host(self) -> str:
        """The node's name."""
        return self.node_name or socket.gethostname().lower()


def _check_cidr(cidr: str) -> list[str]:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        return [f"cluster_cidr: {error}"]
    if not 8 <= network.prefixlen <= 30:
        return [f"cluster_cidr: {cidr} is not between a /8 and a /30: no range of services"]
    return []


def _check_range(text: str) -> list[str]:
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    if text and (found is None or not 0 < int(found[1]) <= int(found[2]) <= 65535):
        return [f"node_port_range: {text!r} is not first-last, ports from 1 to 65535"]
    return []


def _check_pool(ranges: tuple[str, ...]) -> list[str]:
    try:
        Pool(ranges)
    except ValueError as error:
        return [f"load_balancer_pool: {error}"]
    return []


def _check_address(address: str) -> list[str]:
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        return [f"healthz_bind_address: {error}"]
    return []
