"""Who listens at the ports that the cluster wants."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.components import component
from cli.derive import config_of
from cli.doctor.finding import Finding, fail, ok, warn

ANY = ("0.0.0.0", "::")
LOOPBACK = "127.0.0.1"
_HEALTH_ADDRESS = "healthz_bind_address"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that holds a port. `pid` is 0 when the process is not to be seen."""

    protocol: str
    address: str
    port: int
    pid: int = 0
    process: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a component, by the names of its settings. `address`: none where it is always loopback."""

    component: str
    name: str
    address: str
    port: str
    flag: str = ""  # of `steersman up`; without one it is in the component's file only
    datagrams: bool = False  # UDP too

    def other(self) -> str:
        """How another is chosen."""
        place = f"with --{self.flag}" if self.flag else f"as {self.port.replace('_', '-')} of {self.component}.yaml"
        return f"choose another {place}"


# All that the components of a node listen on. VXLAN's port is the kernel's own.
PORTS = (
    Port("apiserver", "the API server's", "bind_address", "secure_port", "apiserver-port"),
    Port("apiserver", "the API server's insecure port", "", "insecure_port"),
    Port("agent", "the agent's", "address", "port", "agent-port"),
    Port("cadvisor", "the monitor's", "listen_address", "port", "cadvisor-port"),
    Port("controllers", "the controllers' health port", _HEALTH_ADDRESS, "healthz_port", "controllers-health-port"),
    Port("scheduler", "the scheduler's health port", _HEALTH_ADDRESS, "healthz_port", "scheduler-health-port"),
    Port("netproxy", "netproxy's health port", _HEALTH_ADDRESS, "healthz_port", "netproxy-health-port"),
    Port("dns", "the name server's metrics port", "metrics_address", "metrics_port", "dns-metrics-port"),
    Port("dns", "the name server's", "listen_address", "port", "dns-port", datagrams=True),
    Port("dns", "the name server's health port", "listen_address", "health_port"),
    Port("dns", "the name server's readiness port", "listen_address", "ready_port"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port as it is set on this host."""

    what: Port
    address: str
    number: int


@dataclass(frozen=True, slots=True)
class Listeners:
    """All of this host, the processes of the cluster, and what these want."""

    all: tuple[Listener, ...]
    ours: frozenset[int] = frozenset()
    wanted: tuple[Wanted, ...] = ()


def judge(settings: Settings, found: Listeners) -> Sequence[Finding]:
    """A port of a component that another has stops the component; a node port stops one service."""
    strange = [one for one in found.all if one.pid not in found.ours]
    findings = [
        fail(f"{wish.what.name} {wish.address}:{wish.number} is taken: {_who(one)}", f"end it, or {wish.what.other()}")
        for wish in found.wanted
        for one in strange
        if one.port == wish.number and _meet(one.address, wish.address)
        if one.protocol == "tcp" or wish.what.datagrams
    ]
    findings += _of_node_ports(settings, strange)
    return findings or ok(", ".join(str(wish.number) for wish in found.wanted) + " are free or ours")


def wanted(settings: Settings) -> tuple[Wanted, ...]:
    """What the components are told, their own files and variables included. Raises SettingsError."""
    configs = {name: config_of(component(name), settings) for name in dict.fromkeys(one.component for one in PORTS)}
    return tuple(
        Wanted(one, getattr(configs[one.component], one.address, LOOPBACK), getattr(configs[one.component], one.port))
        for one in PORTS
        if getattr(configs[one.component], one.port)
    )


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
