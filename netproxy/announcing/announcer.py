"""The thread that answers for addresses of load balancers: it decides by `election`, and does it by the edges.

Where no address of the pool is led to an endpoint from here, it sleeps.
"""

import logging
import threading
from collections.abc import Sequence

from api.core import Node
from api.errors import ApiError
from api.pools import Pool
from client import Client, Informer, Unreachable
from client.clock import boot_time
from netproxy.announcing import arp
from netproxy.announcing.addresses import Addresses
from netproxy.announcing.election import BEAT_S, FENCE_S, Seen, decide, next_look_s
from netproxy.announcing.heart import Heart
from netproxy.announcing.leases import Leases
from netproxy.announcing.telling import Key, Telling
from netproxy.services import Desired

log = logging.getLogger(__name__)

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Label of nodes that are not to answer for load balancers."""
_REPEATS = 3
"""How often a new holder tells the network: a packet may be lost, and Linux takes no second one within a second."""
_STRANGER_S = 5.0
_SYNC_S = 2.0
_JOIN_S = 5.0


class Announcer:
    """Of one node. ``want`` may be called from any thread."""

    def __init__(self, client: Client, *, node: str, chain_prefix: str, pool: Sequence[str]) -> None:
        self._me = node
        self._pool = Pool(pool)
        self._addresses = Addresses(chain_prefix)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._leases = Leases(client, node, self._wake.set)
        self._node = Informer(client, Node, fields=f"metadata.name={node}", on_change=self._node_changed)
        self.telling = Telling(node)
        self._services: dict[str, frozenset[Key]] = {}
        """Addresses of the pool to the services that they lead to from here."""
        self._known = False
        self._heart = Heart(self._beat, self._leases.begin_anew, self._wake.set)
        self._elsewhere: frozenset[str] = frozenset()
        self._refused: dict[str, float] = {}
        """Addresses that a stranger has, to when that was seen."""
        self._to_tell: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="netproxy-announcer", daemon=True)

    def start(self) -> None:
        """Begin."""
        for part in (self._leases, self._node, self._heart, self._thread):
            part.start()

    def stop(self) -> None:
        """Let another node take over, at once."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_JOIN_S)
        self._heart.stop()
        self._leases.stop()
        self._node.stop()

    def want(self, desired: Desired) -> None:
        """What is served here now. An address without an endpoint that it leads to is left to a node that has one."""
        services: dict[str, frozenset[Key]] = {}
        for port in desired.ports.values():
            for address in port.load_balancer_ips if port.endpoints else ():
                if address in self._pool:
                    key = (port.name.namespace, port.name.service)
                    services[address] = services.get(address, frozenset()) | {key}
        if services != self._services or not self._known:
            self._services, self._known = services, True
            self._wake.set()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or _may_announce(old) != _may_announce(new):
            self._wake.set()

    def _run(self) -> None:
        end = boot_time() + _SYNC_S
        while not self._leases.synced and boot_time() < end and not self._stop.is_set():
            self._stop.wait(0.05)  # with the master away it begins with what the last run had
        while not self._stop.is_set():
            try:
                wait_s = self._look() if self._known else None
            except Exception:  # a door: one bad look must not end the thread
                log.exception("addresses of load balancers not looked at")
                wait_s = BEAT_S
            self._wake.wait(wait_s)
            self._wake.clear()
        self._leave()

    def _leave(self) -> None:
        """Not of interest to a node that never announced anything."""
        if not self._known or not (self._to_tell or self._leases.holders()):
            return
        try:
            self.telling.answering({})
            for address in self._addresses.remove():
                log.info("address given back address=%s", address)
                self._leases.give_back(address)
        except (ApiError, Unreachable, OSError) as error:
            log.warning("address not given back error=%s", error)
        except Exception:  # a door: pyroute2's own errors
            log.exception("address not given back")

    def _look(self) -> float | None:
        """One look; seconds until the next."""
        if not self._services and not self._to_tell and not self._leases.holders():
            return None
        began = boot_time()
        present = self._addresses.present()
        devices = self._addresses.devices(self._wanted())
        seen = self._see(devices, present, began)
        plan = decide(seen)
        self._heart.want(plan.beats)
        fresh: set[str] = set()
        if seen.sure:
            fresh = {address for address in plan.claim if self._claim(address, seen, devices[address])}
        elif plan.hold:
            self._ask_network(plan.hold, devices)
            plan = decide(self._see(devices, present, began))
        self._have(plan.hold | fresh, devices, present)
        for address in plan.give_back:
            self._leases.give_back(address)
        wait_s = next_look_s(seen, plan)
        if self._refused:
            wait_s = min(wait_s or _STRANGER_S, _STRANGER_S)
        return None if wait_s is None else max(wait_s - (boot_time() - began), 0.05)

    def _see(self, devices: dict[str, str], present: dict[str, str], now: float) -> Seen:
        # First: what is read anew after a time without the master is there before it counts.
        renewed_at = self._heart.renewed_at
        if now - renewed_at < FENCE_S:
            self._elsewhere = frozenset()
        return Seen(
            me=self._me,
            now=now,
            renewed_at=renewed_at,
            wanted=frozenset(devices),
            present=frozenset(present),
            holders=self._leases.holders(),
            beats=self._leases.beats(),
            elsewhere=self._elsewhere,
        )

    def _wanted(self) -> frozenset[str]:
        """What a node that is not ready, or was excluded, serves is for another to announce."""
        node = self._node.get("", self._me)
        if node is not None and not _may_announce(node):
            return frozenset()
        horizon = boot_time() - _STRANGER_S
        self._refused = {address: at for address, at in self._refused.items() if at > horizon}
        return frozenset(self._services.keys() - self._refused.keys())

    def _beat(self) -> None:
        self._leases.beat(self._node.get("", self._me))

    def _ask_network(self, held: frozenset[str], devices: dict[str, str]) -> None:
        """Unsure: who else answers for what we have?"""
        for device in set(devices.values()):
            asked = [address for address in held if devices[address] == device]
            found = arp.answered(device, asked) if asked else frozenset()
            if found - self._elsewhere:
                log.warning("given way, another host answers addresses=%s", ",".join(sorted(found)))
            self._elsewhere |= found

    def _claim(self, address: str, seen: Seen, device: str) -> bool:
        holder = seen.holders.get(address, "")
        try:
            if holder and self._leases.has_beaten(holder):
                return False
            taken = self._leases.claim(address)
            # Now no other node can have it; one that is silent has lost it to its kernel by now.
            if taken and address not in seen.present and not holder and arp.answered(device, [address]):
                log.warning("address of a load balancer is taken by a stranger address=%s device=%s", address, device)
                self._refused[address] = boot_time()
                self._leases.give_back(address)
                return False
        except (ApiError, Unreachable) as error:
            log.warning("address not claimed address=%s error=%s", address, error)
            return False
        if taken:
            self.telling.claimed(instead_of=holder)
            log.info("address claimed address=%s instead_of=%s", address, holder or "nobody")
        return taken

    def _have(self, hold: frozenset[str], devices: dict[str, str], present: dict[str, str]) -> None:
        """Have these addresses on this host and no others of ours, and tell the network of new ones."""
        for address in hold:
            self._addresses.keep(address, devices[address], for_s=round(FENCE_S))
            if address not in present or address not in self._to_tell:
                log.info("answering for address=%s device=%s adopted=%s", address, devices[address], address in present)
                self._to_tell[address] = _REPEATS
        if present.keys() - hold and (gone := self._addresses.remove(but=hold)):
            log.info("no longer answering for addresses=%s", ",".join(gone))
        self.telling.answering({address: self._services.get(address, frozenset()) for address in hold})
        self._to_tell = {address: left for address, left in self._to_tell.items() if address in hold}
        for address, left in self._to_tell.items():
            if left:
                arp.announce(devices[address], [address])
                self._to_tell[address] = left - 1


def _may_announce(node: Node) -> bool:
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    return ready and EXCLUDED not in node.metadata.labels
