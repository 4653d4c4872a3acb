"""Who listens at the ports that the cluster wants."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

ANY = ("0.0.0.0", "::")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that holds a port. `pid` is 0 when the process is not to be seen."""

    protocol: str
    address: str
    port: int
    pid: int = 0
    process: str = ""


@dataclass(frozen=True, slots=True)
class Listeners:
    """All of this host, and the processes of the cluster."""

    all: tuple[Listener, ...]
    ours: frozenset[int] = frozenset()


def judge(settings: Settings, found: Listeners) -> Sequence[Finding]:
    """A port of a component that another has stops the component; a node port stops one service."""
    strange = [one for one in found.all if one.pid not in found.ours]
    findings = [
        fail(f"{what} {address}:{port} is taken: {_who(one)}", f"end it, or choose another with --{flag}")
        for what, flag, address, port in _wanted(settings)
        for one in strange
        if one.port == port and _meet(one.address, address)
        if one.protocol == "tcp" or flag == "dns-port"
    ]
    findings += _of_node_ports(settings, strange)
    return findings or ok(", ".join(str(port) for _, _, _, port in _wanted(settings)) + " are free or ours")


def _wanted(settings: Settings) -> list[tuple[str, str, str, int]]:
    return [
        ("the API server's", "apiserver-port", settings.bind_address, settings.apiserver_port),
        ("the agent's", "agent-port", settings.bind_address, settings.agent_port),
        ("the monitor's", "cadvisor-port", settings.bind_address, settings.cadvisor_port),
        ("the controllers' health port", "controllers-health-port", LOOPBACK, settings.controllers_health_port),
        ("the scheduler's health port", "scheduler-health-port", LOOPBACK, settings.scheduler_health_port),
        ("netproxy's health port", "netproxy-health-port", settings.bind_address, settings.netproxy_health_port),
        ("the name server's metrics port", "dns-metrics-port", settings.bind_address, settings.dns_metrics_port),
        ("the name server's", "dns-port", settings.dns_address, settings.dns_port),
    ]


def _of_node_ports(settings: Settings, strange: Sequence[Listener]) -> list[Finding]:
    first, _, last = settings.node_port_range.partition("-")
    taken = sorted({(one.port, _who(one)) for one in strange if int(first) <= one.port <= int(last)})
    return [
        warn(
            f"node port {port} is taken: {who}",
            "a service that is given it does not answer there; end it, or choose another node-port-range",
        )
        for port, who in taken
    ]


def _meet(one: str, other: str) -> bool:
    return one == other or one in ANY or other in ANY


def _who(one: Listener) -> str:
    return f"{one.process} (pid {one.pid})" if one.pid else "by a process that cannot be seen; call this as root"
