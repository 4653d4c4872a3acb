"""Keeps the ways to pods of other nodes: a thread that compares what the nodes say with what the kernel has.

It looks when a node changes, when the kernel tells that something of ours went, and now and then. Where there is no
other node it sleeps, and neither pyroute2 nor iptables are touched. Nothing is removed before the nodes have been
listed: while the master is away, ways stay as they are.
"""

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from agent.network import firewall
from agent.network.marks import ROUTE_PROTOCOL, chain_name, route_metric, tunnel_name
from agent.network.modes import OFF
from agent.network.monitor import Monitor
from agent.network.peers import Peer, Problem, peers_of
from agent.network.wanted import Choice, Wanted, wanted
from api.core import Node

log = logging.getLogger(__name__)

_BEGIN_S = 0.5
_SETTLE_S = 0.1
_RETRY_S = 5.0
_SLOW_LOOK_S = 30.0


class Nodes(Protocol):
    """What an informer of nodes has."""

    @property
    def synced(self) -> bool: ...

    def items(self) -> list[Node]: ...


class RouteKeeper:
    """``own``: this node's address and pod range, None until both are known. ``tell``: a way that cannot be made, once.

    ``look`` may be called from any thread, for each change of a node.
    """

    def __init__(
        self,
        *,
        cluster: str,
        bridge: str,
        choice: Choice,
        nodes: Nodes,
        own: Callable[[], Peer | None],
        tell: Callable[[Problem], None],
    ) -> None:
        self._bridge = bridge
        self._choice = choice
        self._metric = route_metric(cluster)
        self._nodes = nodes
        self._own = own
        self._tell = tell
        self._told: set[Problem] = set()
        self._rules = False  # whether there may be rules of ours
        self._links: set[int] = set()
        self._monitor = Monitor(ROUTE_PROTOCOL, (chain_name(bridge), *firewall.PARENTS))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-routes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ways stay; the next agent adopts them."""
        self._stop.set()
        self._monitor.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._monitor.close()

    def look(self) -> None:
        self._monitor.wake()

    def _run(self) -> None:
        began = False
        while not self._stop.is_set():
            wait_s: float | None = _BEGIN_S  # an informer tells of its first list before it counts as synced
            own = self._own()
            if self._nodes.synced and own is not None:
                wait_s, began = self._keep(own, first=not began), True
            self._monitor.wait(wait_s, self._links)
            self._stop.wait(_SETTLE_S)  # nodes, and the kernel's news, come in bursts

    def _keep(self, own: Peer, *, first: bool) -> float | None:
        """One look; seconds until the next, None when only a change calls for one."""
        try:
            nodes = self._nodes.items() if self._choice.mode != OFF else []
            peers, problems = peers_of(nodes, own)
            if not peers and not self._left(first=first):
                self._complain(problems)
                return None
            self._monitor.listen(rules=firewall.over_nftables())
            problems += self._bring(own, peers)
        except Exception:  # one bad look must not end the thread; the next may succeed
            log.exception("routes not looked at retry_s=%.1f", _RETRY_S)
            return _RETRY_S
        self._complain(problems)
        if problems:
            return _RETRY_S
        return _SLOW_LOOK_S if peers else None

    def _left(self, *, first: bool) -> bool:
        """Whether something of ours may be there that no node wants any more, seen without pyroute2."""
        if self._links or self._rules or has_device(tunnel_name(self._bridge)):
            return True
        if has_routes(self._metric):
            return True
        return first and bool(firewall_has(chain_name(self._bridge)))

    def _bring(self, own: Peer, peers: Sequence[Peer]) -> list[Problem]:
        from agent.network.changes import bring_to
        from agent.network.kernel import Kernel

        with Kernel(self._metric) as kernel:
            ways = {peer.address: kernel.way_to(peer.address) for peer in peers}
            goal = wanted(own, peers, ways, self._choice)
            problems = [*goal.problems, *self._write_rules(own, peers)]
            done, failed = bring_to(kernel, goal, device=self._choice.device)
        for phrase in done:
            log.info("routes: %s", phrase)
        self._links = _indexes(goal, ways=[way.device for way in ways.values() if way])
        return [*problems, *failed]

    def _write_rules(self, own: Peer, peers: Sequence[Peer]) -> list[Problem]:
        """Rules go in before the first route, and out after the last."""
        name = chain_name(self._bridge)
        try:
            if not peers:
                written = [firewall.remove(table, name) for table in ("filter", "nat")]
            else:
                written = [firewall.put(chain) for chain in firewall.chains(name, self._bridge, own.cidr, peers)]
        except firewall.FirewallError as error:
            return [Problem("", f"rules not written: {error}")]
        self._rules = bool(peers)
        if any(written):
            log.info("routes: rules written chain=%s nodes=%d", name, len(peers))
        return []

    def _complain(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            if problem not in self._told:
                log.warning("pods of a node are not reached node=%s reason=%s", problem.node, problem.message)
                self._tell(problem)
        self._told = set(problems)


def has_routes(metric: int) -> bool:
    """Whether the main table has routes of this metric."""
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(int(line.split()[6]) == metric for line in lines)


def has_device(name: str) -> bool:
    """Asked of the kernel, not of /sys, which may show another network namespace's."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def firewall_has(name: str) -> list[str]:
    """The tables with our chain. A host without iptables has none."""
    try:
        return firewall.present(name)
    except firewall.FirewallError as error:
        log.debug("rules not seen error=%s", error)
        return []


def _indexes(goal: Wanted, *, ways: Sequence[str]) -> set[int]:
    found = set()
    for device in {*ways, *([goal.tunnel.device] if goal.tunnel else [])}:
        if has_device(device):
            found.add(socket.if_nametoindex(device))
    return found
