"""What clusterdns is told: every setting with its default, its help and its check."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from clusterdns.names import wire_name
from clusterdns.upstreams import parse_server

IFNAME_MAX = 15  # IFNAMSIZ is 16, the closing zero included
MIN_UDP_BYTES = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Settings of one DNS server; each becomes a flag, an environment variable and a key of the file."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/dns.kubeconfig"),
        metadata={"help": "kubeconfig file that leads to the master"},
    )
    domain: str = field(default="cluster.local", metadata={"help": "domain under which cluster names live"})
    listen_address: str = field(
        default="169.254.20.10", metadata={"help": "address that answers, the same on every node"}
    )
    port: int = field(default=53, metadata={"help": "port for UDP and TCP; 0 takes a free one"})
    interface: str = field(
        default="steer-dns",
        metadata={"help": "interface made to carry the address; empty: the address is there already"},
    )
    ttl_s: int = field(default=5, metadata={"help": "seconds for which clients may keep cluster answers"})
    reverse_cidrs: tuple[str, ...] = field(
        default=("10.96.0.0/16", "10.244.0.0/16"),
        metadata={"help": "ranges whose reverse names are ours and are never asked of another server"},
    )
    resolv_conf: Path = field(
        default=Path("/etc/resolv.conf"),
        metadata={"help": "file with the host's resolvers, read again when it changes"},
    )
    upstreams: tuple[str, ...] = field(
        default=(),
        metadata={"help": "resolvers to use in place of resolv-conf: address, address:port or [address]:port"},
    )
    upstream_timeout_s: float = field(
        default=1.5, metadata={"help": "seconds to wait for one resolver before the next is asked"}
    )
    forward_workers: int = field(default=16, metadata={"help": "forwarded questions that can be under way at once"})
    forward_queue: int = field(
        default=512, metadata={"help": "forwarded questions that can wait; more are answered SERVFAIL"}
    )
    cache_size: int = field(default=4096, metadata={"help": "forwarded answers kept"})
    cache_ttl_s: int = field(default=300, metadata={"help": "longest time a forwarded answer is kept"})
    cache_negative_ttl_s: int = field(default=30, metadata={"help": "longest time a forwarded 'no such name' is kept"})
    cache_stale_s: int = field(
        default=3600,
        metadata={"help": "seconds after its life in which a forwarded answer is given when no resolver answers"},
    )
    udp_bytes: int = field(default=1232, metadata={"help": "largest UDP answer given, whatever the client offers"})
    tcp_connections: int = field(default=64, metadata={"help": "TCP clients served at once"})
    tcp_idle_s: float = field(default=10.0, metadata={"help": "seconds a TCP client may stay silent"})
    metrics_address: str = field(default="0.0.0.0", metadata={"help": "address of the metrics port"})
    metrics_port: int = field(default=9153, metadata={"help": "port of /metrics, plain HTTP; 0: none"})
    health_port: int = field(default=8080, metadata={"help": "port of /health on listen-address; 0: none"})
    ready_port: int = field(default=8181, metadata={"help": "port of /ready on listen-address; 0: none"})
    state_file: Path = field(
        default=Path("/var/lib/steersman/dns/names.json"),
        metadata={"help": "last known names, for a start while the master is away"},
    )

    def check(self) -> list[str]:
        """The problems of these settings, each as "field: what is wrong"."""
        return [*_check_names(self), *_check_numbers(self), *_check_ranges(self)]


def _check_names(config: Config) -> list[str]:
    problems = []
    try:
        wire_name(config.domain)
    except ValueError as error:
        problems.append(f"domain: {error}")
    try:
        if ipaddress.ip_address(config.listen_address).is_unspecified:
            problems.append("listen_address: must be one address, not every address")
    except ValueError as error:
        problems.append(f"listen_address: {error}")
    try:
        ipaddress.ip_address(config.metrics_address)
    except ValueError as error:
        problems.append(f"metrics_address: {error}")
    if len(config.interface) > IFNAME_MAX or "/" in config.interface or " " in config.interface:
        problems.append(f"interface: {config.interface!r} is no interface name of at most {IFNAME_MAX} characters")
    return problems


def _check_numbers(config: Config) -> list[str]:
    problems = []
    for name in ("port", "metrics_port", "health_port", "ready_port"):
        if not 0 <= getattr(config, name) <= 65535:
            problems.append(f"{name}: {getattr(config, name)} is not within 0-65535")
    if not MIN_UDP_BYTES <= config.udp_bytes <= 65507:
        problems.append(f"udp_bytes: {config.udp_bytes} is not within {MIN_UDP_BYTES}-65507")
    for name in ("forward_workers", "forward_queue", "tcp_connections"):
        if getattr(config, name) < 1:
            problems.append(f"{name}: must be at least 1")
    for name in ("ttl_s", "cache_size", "cache_ttl_s", "cache_negative_ttl_s", "cache_stale_s"):
        if getattr(config, name) < 0:
            problems.append(f"{name}: must not be negative")
    for name in ("upstream_timeout_s", "tcp_idle_s"):
        if not getattr(config, name) > 0:
            problems.append(f"{name}: must be greater than 0")
    return problems


def _check_ranges(config: Config) -> list[str]:
    problems = []
    for cidr in config.reverse_cidrs:
        try:
            if ipaddress.ip_network(cidr).prefixlen == 0:
                problems.append(f"reverse_cidrs: {cidr} takes every reverse name there is")
        except ValueError as error:
            problems.append(f"reverse_cidrs: {error}")
    for text in config.upstreams:
        try:
            parse_server(text)
        except ValueError as error:
            problems.append(f"upstreams: {error}")
    return problems
