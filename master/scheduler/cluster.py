"""What the scheduler knows of nodes: their room, and the pods that take it. Bound pods count at once, before a watch
shows them (they are *assumed*).

All sums and counts are kept with each change. Not safe to share between threads: the scheduler guards it with one lock.
"""

import random
from collections import Counter

from api.core import Node
from master.scheduler.holders import Holders
from master.scheduler.log import Log
from master.scheduler.nodestate import ImageSpread, NodeState, count
from master.scheduler.tallies import Tallies
from master.scheduler.wish import Wish


class Cluster:
    """All nodes with their pods."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        # All nodes, in no order: a decision looks at some that follow each other, and these are not to be of one kind
        # or zone because they came together.
        self.round: list[NodeState] = []
        self.tallies = Tallies()
        self.holders = Holders()
        self.priorities: Counter[int] = Counter()
        # Pods of one owner in each zone.
        self.owner_zones: dict[str, Counter[str]] = {}
        self.zones: Counter[str] = Counter()
        self.images = ImageSpread()
        # Nodes that may fit pods that they did not fit before, and nodes that have got fuller.
        self.roomier = Log()
        self.fuller = Log()
        self._placed: dict[str, str] = {}
        self._nominated: dict[str, str] = {}
        # Pods bound to nodes that have not been seen yet.
        self._early: dict[str, dict[str, Wish]] = {}
        self._versions = 0

    def set_node(self, node: Node) -> None:
        """A node is there, or has changed."""
        name = node.metadata.name
        state = self.nodes.get(name)
        if state is None:
            self.images.nodes += 1
            state = self.nodes[name] = NodeState(node, self.images)
            self.round.insert(random.randint(0, len(self.round)), state)
            self.zones[state.zone] += 1
            self.tallies.add_node(state)
            for wish in self._early.pop(name, {}).values():
                self._lay(wish, state)
        elif (state.labels, state.node.spec.taints) != (node.metadata.labels, node.spec.taints):
            # Its pods may now count elsewhere.
            pods = list(state.pods.values())
            for wish in pods:
                self._lift(wish, state)
            self.tallies.remove_node(name)
            count(self.zones, state.zone, -1)
            state.read(node)
            self.zones[state.zone] += 1
            self.tallies.add_node(state)
            for wish in pods:
                self._lay(wish, state)
        else:
            state.read(node)
        self._changed(state, roomier=True)
        state.node_version = state.version

    def remove_node(self, name: str) -> None:
        """Forgets a node. Pods bound to it are counted again should it come back."""
        state = self.nodes.get(name)
        if state is None:
            return
        pods = dict(state.pods)
        for wish in pods.values():
            self._lift(wish, state)
        if pods:
            self._early[name] = pods
        del self.nodes[name]
        self.round.remove(state)
        state.hold({})
        self.images.nodes -= 1
        count(self.zones, state.zone, -1)
        self.tallies.remove_node(name)
        self.fuller.add(name)

    def place(self, wish: Wish, node_name: str) -> None:
        """Counts a pod on a node: seen through the watch, or assumed when it is about to be bound."""
        self._forget(wish.uid)
        self.unnominate(wish.uid)
        self._placed[wish.uid] = node_name
        state = self.nodes.get(node_name)
        if state is None:
            self._early.setdefault(node_name, {})[wish.uid] = wish
            return
        self._lay(wish, state)
        self._changed(state, roomier=False)

    def remove(self, uid: str) -> None:
        """Gives a pod's room back."""
        self.unnominate(uid)
        state = self._forget(uid)
        if state is not None:
            self._changed(state, roomier=True)

    def node_of(self, uid: str) -> str:
        """Where a pod is counted; empty when nowhere."""
        return self._placed.get(uid, "")

    def wish_of(self, uid: str) -> Wish | None:
        """The pod as it is counted; None when it is not."""
        name = self._placed.get(uid)
        state = self.nodes.get(name) if name is not None else None
        return state.pods.get(uid) if state is not None else self._early.get(name or "", {}).get(uid)

    def users(self, wish: Wish, claims: frozenset[str]) -> set[str]:
        """Nodes with other pods that use one of these claims of the pod's namespace."""
        return {
            state.name
            for state in self.nodes.values()
            for pod in state.pods.values()
            if pod.uid != wish.uid and pod.uses(wish.namespace, claims)
        }

    def nominate(self, wish: Wish, node_name: str) -> None:
        """Room is being made for a pod on a node: others of its priority or a lesser one leave it free."""
        self.unnominate(wish.uid)
        state = self.nodes.get(node_name)
        if state is not None:
            state.nominated[wish.uid] = wish
            self._nominated[wish.uid] = node_name

    def unnominate(self, uid: str) -> None:
        name = self._nominated.pop(uid, None)
        state = self.nodes.get(name) if name is not None else None
        if state is not None and state.nominated.pop(uid, None) is not None:
            self._changed(state, roomier=True)

    def nominated_to(self, uid: str) -> str:
        return self._nominated.get(uid, "")

    def put_in_mind(self, wish: Wish, state: NodeState) -> None:
        """What if the pod were there? Undone by ``take_in_mind`` before anything else happens."""
        self._lay(wish, state)

    def take_in_mind(self, wish: Wish, state: NodeState) -> None:
        """What if the pod were not there? Undone by ``put_in_mind`` before anything else happens."""
        self._lift(wish, state)

    def _forget(self, uid: str) -> NodeState | None:
        name = self._placed.pop(uid, None)
        if name is None:
            return None
        state = self.nodes.get(name)
        if state is None:
            early = self._early.get(name, {})
            early.pop(uid, None)
            if not early:
                self._early.pop(name, None)
            return None
        self._lift(state.pods[uid], state)
        return state

    def _lay(self, wish: Wish, state: NodeState) -> None:
        state.add(wish)
        self._count(wish, state, 1)

    def _lift(self, wish: Wish, state: NodeState) -> None:
        state.remove(wish.uid)
        self._count(wish, state, -1)

    def _count(self, wish: Wish, state: NodeState, sign: int) -> None:
        count(self.priorities, wish.priority, sign)
        self.tallies.count(state.name, wish, sign)
        self.holders.count(wish.terms, state.labels, sign)
        owner = wish.shape.owner
        if owner:
            zones = self.owner_zones.setdefault(owner, Counter())
            count(zones, state.zone, sign)
            if not zones:
                del self.owner_zones[owner]

    def _changed(self, state: NodeState, *, roomier: bool) -> None:
        self._versions += 1
        state.version = self._versions
        (self.roomier if roomier else self.fuller).add(state.name)
