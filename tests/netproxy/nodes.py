"""A mode at work on a node, for tests of what all modes have in common."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from netproxy.config import Config
from netproxy.kernel.nft import NftTable
from netproxy.main import mode_of
from netproxy.services import Desired, ServicePort
from netproxy.state import State
from netproxy.userspace import portals_of
from tests.netproxy.networks import Namespace, Site
from tests.netproxy.servers import LIMIT_S, read_all

CIDR = "10.99.0.0/16"
CLUSTER_IP = "10.99.0.10"
IPTABLES, LEGACY, KERNEL = "iptables over nf_tables", "legacy iptables", "kernel"
WAYS = (IPTABLES, LEGACY, KERNEL)
_SETTINGS: dict[str, dict[str, str]] = {
    IPTABLES: {"iptables_mode": "nft"},
    LEGACY: {"iptables_mode": "legacy"},
    KERNEL: {"proxy_mode": "nftables"},
}


class Node:
    """A mode at work in a node's namespace."""

    def __init__(self, place: Site, way: str) -> None:
        self.place = place
        self.way = way
        # The default file of the state may be that of a cluster on this host.
        state = Path("/nonexistent/state.json")
        self.config = Config(
            chain_prefix="STT", cluster_cidr=CIDR, udp_unanswered_s=2.0, state_file=state, **_SETTINGS[way]
        )
        with place.node.inside():
            self.mode = mode_of(self.config)(State())
            self.mode.start()

    def serve(self, *wanted: ServicePort, pod_cidrs: tuple[str, ...] = ()) -> bool:
        """Make this the wanted state; whether rules were written."""
        with self.place.node.inside():
            return self.mode.apply(Desired(ports={p.name: p for p in wanted}, pod_cidrs=pod_cidrs)).wrote_rules

    def check(self) -> bool:
        with self.place.node.inside():
            return self.mode.check()

    def cleanup(self) -> list[str]:
        with self.place.node.inside():
            return portals_of(self.config).cleanup() + NftTable(self.config.chain_prefix).remove()

    def rules(self) -> str:
        """All rules in the namespace, without counters and dates."""
        saved = self.place.node.run("iptables-legacy-save") + self.place.node.run("nft", "-s", "list", "ruleset")
        return re.sub(r"\[\d+:\d+\]|^#.*\n|counter packets \d+ bytes \d+", "", saved, flags=re.MULTILINE)

    def routes(self) -> str:
        """The routes, whether or not the cables are seen to be plugged in yet."""
        return self.place.node.run("ip", "route").replace(" linkdown", "")


def ask_from(namespace: Namespace, address: str, number: int) -> bytes:
    """What the server at this address says to a client in this namespace."""
    with namespace.inside(), socket.create_connection((address, number), timeout=LIMIT_S) as sock:
        return read_all(sock)
