"""Switches of the kernel's network, and routes."""

import socket
from collections.abc import Iterator
from pathlib import Path

from cli.cluster import Settings
from cli.doctor.kernel import Connections, Forwarding, ReversePath
from cli.doctor.ranges import Route

_IPV4 = Path("/proc/sys/net/ipv4")
_BRIDGE_NF = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_CONNECTIONS = Path("/proc/sys/net/netfilter")
_ROUTES = Path("/proc/net/route")
_GATEWAY = 0x2  # RTF_GATEWAY
_MAIN_TABLE = 254


def forwarding(settings: Settings) -> Forwarding:
    """The switch of all, and those of the interfaces that packets of pods cross."""
    on = (_IPV4 / "ip_forward").read_text().strip() == "1"
    crossed = {settings.bridge, *_gateways()}
    off = [name for name in sorted(crossed) if _of_interface(name, "forwarding") == "0"]
    return Forwarding(on, tuple(off) if on else ())


def bridge_nf(_settings: Settings) -> str | None:
    """The switch as text; None where there is none."""
    return _BRIDGE_NF.read_text().strip() if _BRIDGE_NF.exists() else None


def connections(_settings: Settings) -> Connections | None:
    """Of this network namespace; the limit is the host's."""
    try:
        count, most = (int((_CONNECTIONS / f"nf_conntrack_{name}").read_text()) for name in ("count", "max"))
    except FileNotFoundError:
        return None
    return Connections(count, most)


def reverse_path(_settings: Settings) -> ReversePath:
    """rp_filter everywhere."""
    names = [path.name for path in (_IPV4 / "conf").iterdir() if path.name not in ("all", "default", "lo")]
    values = {name: int(_of_interface(name, "rp_filter") or 0) for name in names}
    of_all = int(_of_interface("all", "rp_filter") or 0)
    return ReversePath(of_all, values, frozenset(_gateways()))


def _of_interface(name: str, switch: str) -> str | None:
    path = _IPV4 / "conf" / name / switch
    return path.read_text().strip() if path.exists() else None


def _gateways() -> Iterator[str]:
    """Devices of the routes that lead to a gateway outside: not ours, which lead to pods of other nodes."""
    for line in _ROUTES.read_text().splitlines()[1:]:
        device, destination, _gateway, flags = line.split()[:4]
        if int(flags, 16) & _GATEWAY and destination == "00000000":
            yield device


def routes(_settings: Settings) -> tuple[Route, ...]:
    """The main table."""
    from pyroute2 import IPRoute  # each command pays for its imports

    with IPRoute() as ip:
        found = []
        for message in ip.get_routes(family=socket.AF_INET, table=_MAIN_TABLE):
            to, device = message.get_attr("RTA_DST"), message.get_attr("RTA_OIF")
            if to is not None:
                name = socket.if_indextoname(device) if device else "no device"
                found.append(Route(f"{to}/{message['dst_len']}", name, message["proto"]))
    return tuple(found)
