"""Counts of pods by topology domain, kept with each change: a decision does not look at all pods again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping

from api.placement import Labels
from master.scheduler.nodestate import NodeState
from master.scheduler.terms import Pattern
from master.scheduler.wish import Wish

_KEPT = 256


class Tally:
    """How many pods that match all patterns are in each domain of a node label.

    Only nodes that have the label and pass ``eligible`` are counted. ``living`` leaves out pods on their way out.
    """

    def __init__(
        self, patterns: tuple[Pattern, ...], key: str, *, living: bool, eligible: Callable[[NodeState], bool]
    ) -> None:
        self.counts: dict[str, int] = {}
        self.total = 0
        self._patterns = patterns
        self._key = key
        self._living = living
        self._eligible = eligible
        self._members: dict[str, str] = {}
        self._nodes: dict[str, int] = {}
        self._levels: dict[int, int] = {}
        self._least = 0

    @property
    def domains(self) -> int:
        return len(self.counts)

    def least(self) -> int:
        """The count of the emptiest domain; 0 when there is none."""
        while self._least not in self._levels and self._levels:
            self._least += 1
        return self._least if self._levels else 0

    def matches(self, wish: Wish, spaces: Mapping[str, Labels]) -> bool:
        if self._living and wish.deleting:
            return False
        return all(pattern.matches(wish.namespace, wish.labels, spaces) for pattern in self._patterns)

    @property
    def depends_on_spaces(self) -> bool:
        return any(pattern.spaces for pattern in self._patterns)

    def add_node(self, state: NodeState) -> None:
        domain = state.labels.get(self._key)
        if domain is None or not self._eligible(state):
            return
        self._members[state.name] = domain
        self._nodes[domain] = self._nodes.get(domain, 0) + 1
        if domain not in self.counts:
            self._set(domain, 0)

    def remove_node(self, name: str) -> None:
        """After the node's pods have been taken off."""
        domain = self._members.pop(name, None)
        if domain is None:
            return
        self._nodes[domain] -= 1
        if not self._nodes[domain]:
            del self._nodes[domain]
            self._unset(domain)

    def count(self, node_name: str, wish: Wish, sign: int, spaces: Mapping[str, Labels]) -> None:
        """A pod has come to a node (1) or has gone from it (-1)."""
        domain = self._members.get(node_name)
        if domain is not None and self.matches(wish, spaces):
            self.total += sign
            self._set(domain, self._unset(domain) + sign)

    def _set(self, domain: str, count: int) -> None:
        self.counts[domain] = count
        self._levels[count] = self._levels.get(count, 0) + 1
        self._least = min(self._least, count)

    def _unset(self, domain: str) -> int:
        count = self.counts.pop(domain)
        self._levels[count] -= 1
        if not self._levels[count]:
            del self._levels[count]
        return count


class Tallies:
    """All tallies in use; the one not asked for longest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Tally] = OrderedDict()
        self.spaces: dict[str, Labels] = {}

    def get(self, key: Hashable, make: Callable[[], Tally], nodes: Iterable[NodeState]) -> Tally:
        """The tally of that name; made, and filled from all nodes, when there is none."""
        tally = self._kept.get(key)
        if tally is None:
            tally = self._kept[key] = make()
            for state in nodes:
                tally.add_node(state)
                for wish in state.pods.values():
                    tally.count(state.name, wish, 1, self.spaces)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return tally

    def count(self, node_name: str, wish: Wish, sign: int) -> None:
        for tally in self._kept.values():
            tally.count(node_name, wish, sign, self.spaces)

    def add_node(self, state: NodeState) -> None:
        for tally in self._kept.values():
            tally.add_node(state)

    def remove_node(self, name: str) -> None:
        for tally in self._kept.values():
            tally.remove_node(name)

    def set_space(self, name: str, labels: Labels | None) -> None:
        """The labels of a namespace; none when it is gone."""
        if self.spaces.get(name) == labels:
            return
        if labels is None:
            del self.spaces[name]
        else:
            self.spaces[name] = labels
        for key in [key for key, tally in self._kept.items() if tally.depends_on_spaces]:
            del self._kept[key]
