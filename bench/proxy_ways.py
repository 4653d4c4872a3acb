"""The ways from the client to the backends: direct, HAProxy, kernel DNAT, and our proxy with its rules.

HAProxy runs as Debian ships it, in TCP mode, its threads its own choice; options that are not the default (splicing)
are not set. Kernel DNAT is one rule a backend (`statistic`). Ours is the control side and the data plane in one
process, with real rules, reached by the node ports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.proxy_site import (
    BACKENDS,
    HOLD_PORT,
    IPERF_PORT,
    NODE_IP,
    UDP_PORT,
    WEB_PORT,
    Site,
    backend_ip,
    run,
)
from netproxy.collector import collect_seldom
from netproxy.config import Config
from netproxy.proxy import Proxy
from netproxy.services import Desired, PortName, Protocol, ServicePort
from netproxy.state import State
from netproxy.userspace import Userspace

SERVICES = {"web": WEB_PORT, "hold": HOLD_PORT, "bulk": IPERF_PORT, "udp": UDP_PORT}
NODE_PORTS = {"web": 30080, "hold": 30081, "bulk": 30082, "udp": 30083}
_OWN = {"haproxy": 10000, "DNAT": 20000}
"""Added to a service's own port: where that way listens."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the client gets to the services."""

    name: str
    address: Callable[[str], tuple[str, int]]
    """Where the client goes for a service."""
    pid: int = 0
    """The process in between; 0: there is none."""

    def cpu_s(self) -> float:
        """Seconds of processor time the process in between has used."""
        if not self.pid:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Its resident memory, MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) if self.pid else 0
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def endpoints(service: str) -> tuple[tuple[str, int], ...]:
    """The web is served by all backends, the rest by the first: iperf3 and held connections must meet again."""
    count = BACKENDS if service == "web" else 1
    return tuple((backend_ip(number), SERVICES[service]) for number in range(count))


def ways(place: Site) -> list[Way]:
    """Start all of them."""
    return [Way("direct", lambda service: (backend_ip(0), SERVICES[service])), haproxy(place), dnat(place), ours(place)]


def haproxy(place: Site) -> Way:
    """HAProxy in TCP mode; it has no UDP."""
    text = "global\ndefaults\n mode tcp\n timeout client 1h\n timeout server 1h\n timeout connect 5s\n"
    for service in ("web", "hold", "bulk"):
        text += f"listen {service}\n bind :{SERVICES[service] + _OWN['haproxy']}\n balance roundrobin\n"
        text += "".join(f" server s{n} {ip}:{port}\n" for n, (ip, port) in enumerate(endpoints(service)))
    process = place.haproxy(place.node, "proxy", text)
    return Way("haproxy", lambda service: (NODE_IP, SERVICES[service] + _OWN["haproxy"]), process.pid)


def dnat(place: Site) -> Way:
    """Rules of the kernel alone."""
    for service in SERVICES:
        protocol, found = "udp" if service == "udp" else "tcp", endpoints(service)
        for number, (ip, port) in enumerate(found):
            every = len(found) - number
            turn = ["-m", "statistic", "--mode", "nth", "--every", str(every), "--packet", "0"] if every > 1 else []
            match = ["-p", protocol, "-d", NODE_IP, "--dport", str(SERVICES[service] + _OWN["DNAT"])]
            target = ["-j", "DNAT", "--to-destination", f"{ip}:{port}"]
            run(place.node, "iptables", "-t", "nat", "-A", "PREROUTING", *match, *turn, *target)
    return Way("DNAT", lambda service: (NODE_IP, SERVICES[service] + _OWN["DNAT"]))


def ours(place: Site) -> Way:
    """Our proxy with the services of the bench."""
    process = place.start(
        place.node, sys.executable, "-m", "bench.proxy_ways", str(place.folder), stdin=-1, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return Way("ours", lambda service: (NODE_IP, NODE_PORTS[service]), process.pid)


def config(folder: Path) -> Config:
    """Settings of the bench's proxy."""
    return Config(
        node_name="bench", cluster_cidr="10.96.0.0/12", chain_prefix="STB", state_file=folder / "state" / "state.json"
    )


def proxy_of(settings: Config) -> Proxy:
    """The control side with the data plane, as `steersman netproxy` has it."""
    mode = Userspace(settings, State())
    return Proxy(settings, mode, State(), on_trouble=lambda trouble: sys.exit(str(trouble)), healthy=lambda: True)


def wanted() -> dict[PortName, ServicePort]:
    """The bench's services as the proxy is told them."""
    found = {}
    for number, service in enumerate(SERVICES):
        name = PortName("bench", service, "")
        found[name] = ServicePort(
            name=name,
            protocol=Protocol.UDP if service == "udp" else Protocol.TCP,
            cluster_ip=f"10.96.0.{number + 1}",
            port=80,
            node_port=NODE_PORTS[service],
            endpoints=endpoints(service),
        )
    return found


def serve(folder: Path) -> None:
    """The proxy's process: serve until standard input ends."""
    collect_seldom()
    proxy = proxy_of(config(folder))
    proxy.start()
    proxy.sync(Desired(ports=wanted()))
    sys.stdout.write(json.dumps("ready") + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    import resource

    _hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
    serve(Path(sys.argv[1]))
