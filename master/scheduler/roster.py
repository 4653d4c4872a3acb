"""Where pods of one shape fit, kept from one decision to the next.

Pods of one template ask the same of every node. What was found out for one of them holds for the next as long as the
node has not changed, so a decision looks only at the nodes that matter: those that got roomier since, some never
looked at yet, and the best until now, which is looked at again if it has got fuller. Its cost does not grow with the
number of nodes.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from master.scheduler.cluster import Cluster
from master.scheduler.filters import UNFIT, Refusal
from master.scheduler.looks import Look, Verdict
from master.scheduler.nodestate import NodeState, count
from master.scheduler.nominations import refusal_beside_nominated
from master.scheduler.profile import Profile
from master.scheduler.scores import zone_spread
from master.scheduler.wish import Wish

# Nodes never looked at yet that each further decision takes in.
_EXPLORED = 16
_NO_COUNTS: Counter[str] = Counter()


class _Entry(NamedTuple):
    """A node that fits, in a heap: the best first, equal ones in any order."""

    minus_score: float
    tie: float
    name: str
    version: int


class Roster:
    """What is known of all nodes for one shape of pods. Reads the cluster, changes nothing of it."""

    def __init__(self, wish: Wish, cluster: Cluster, profile: Profile, look: Look) -> None:
        self._cluster = cluster
        self._profile = profile
        self._look = look
        self._pinned = wish.shape.pinned
        self._by_zone = bool(wish.shape.owner and profile.zone_weight)
        # What each node came to, and the version of the node.
        self._verdicts: dict[str, tuple[int, Verdict]] = {}
        self._refused: Counter[Refusal] = Counter()
        self._heaps: dict[str, list[_Entry]] = {}
        self._unseen: list[str] = []
        self._roomier_at = self._fuller_at = 0
        self._begin()

    def _begin(self) -> None:
        """Nothing is known yet."""
        cluster = self._cluster
        names = [name for name in (cluster.nodes if self._pinned is None else self._pinned) if name in cluster.nodes]
        start = random.randrange(len(names)) if names else 0
        self._unseen = names[start:] + names[:start]
        self._verdicts.clear()
        self._refused.clear()
        self._heaps.clear()
        self._roomier_at = cluster.roomier.end
        self._fuller_at = cluster.fuller.end

    def best(self, wish: Wish) -> str:
        """The best fitting node by all that reads one node alone, and zones. Empty when there is none: then all nodes
        have been looked at.
        """
        sample = self._profile.sample(len(self._cluster.nodes))
        self._take_in(wish, self._news_of_roomier())
        if self._profile.tuning.fuller_is_better:
            self._take_in(wish, self._news_of_fuller())
        self._explore(wish, _EXPLORED if self._verdicts else sample)
        return self._best(wish, sample) or (self._best(wish, sample) if self._take_in_all(wish) else "")

    def refusals(self) -> Counter[Refusal]:
        """How many nodes are refused for what. After ``best`` has found none."""
        found = self._refused.copy()
        others = len(self._cluster.nodes) - len(self._verdicts)
        if others > 0:
            # The pod names its nodes, and these are not among them.
            found[UNFIT] += others
        return found

    def at(self, wish: Wish, state: NodeState) -> Verdict:
        """Why a node does not fit, or how well it does; by all that reads the node alone."""
        if self._pinned is not None and state.name not in self._pinned:
            return UNFIT, 0.0
        known = self._verdicts.get(state.name)
        return known[1] if known is not None and known[0] == state.version else self._look_at(wish, state)

    def _look_at(self, wish: Wish, state: NodeState) -> Verdict:
        refusal, score = verdict = self._look.at(wish, state)
        self._forget(state.name)
        self._verdicts[state.name] = (state.version, verdict)
        if refusal is not None:
            self._refused[refusal] += 1
        else:
            heap = self._heaps.setdefault(state.zone if self._by_zone else "", [])
            heapq.heappush(heap, _Entry(-score, random.random(), state.name, state.version))
            if len(heap) > 4 * len(self._cluster.nodes) + 64:
                heap[:] = [entry for entry in heap if self._is_current(entry)]
                heapq.heapify(heap)
        return verdict

    def _forget(self, name: str) -> None:
        before = self._verdicts.pop(name, None)
        if before is not None and (refusal := before[1][0]) is not None:
            count(self._refused, refusal, -1)

    def _is_current(self, entry: _Entry) -> bool:
        """Whether an entry tells what was found out last."""
        known = self._verdicts.get(entry.name)
        return known is not None and known[0] == entry.version and entry.name in self._cluster.nodes

    def _news_of_roomier(self) -> Iterable[str]:
        names = self._cluster.roomier.since(self._roomier_at)
        if names is None:
            self._begin()
            return ()
        self._roomier_at = self._cluster.roomier.end
        return names

    def _news_of_fuller(self) -> Iterable[str]:
        names = self._cluster.fuller.since(self._fuller_at)
        self._fuller_at = self._cluster.fuller.end
        return [*self._verdicts, *self._cluster.nodes] if names is None else names

    def _take_in(self, wish: Wish, names: Iterable[str]) -> None:
        for name in names:
            state = self._cluster.nodes.get(name)
            if state is None:
                self._forget(name)
            else:
                self.at(wish, state)

    def _explore(self, wish: Wish, enough: int) -> bool:
        """Looks at nodes never looked at until enough of them fit; whether there were any."""
        fitting, unseen = 0, bool(self._unseen)
        while self._unseen and fitting < enough:
            state = self._cluster.nodes.get(self._unseen.pop())
            fitting += state is not None and self.at(wish, state)[0] is None
        return unseen

    def _take_in_all(self, wish: Wish) -> bool:
        """Looks at every node that is not known as it is now; whether one may fit now."""
        explored = self._explore(wish, len(self._unseen) + 1)
        self._take_in(wish, self._news_of_fuller())
        return explored

    def _best(self, wish: Wish, limit: int) -> str:
        """The best of the zones' best. Looks at most at ``limit`` nodes that have got fuller, in each zone."""
        counts = self._cluster.owner_zones.get(wish.shape.owner, _NO_COUNTS) if len(self._heaps) > 1 else None
        best: tuple[float, str] | None = None
        for zone, heap in self._heaps.items():
            entry = self._first(wish, heap, limit)
            if entry is None:
                continue
            score = -entry.minus_score
            if counts is not None:
                score += self._profile.zone_weight * zone_spread(counts, zone)
            if best is None or score > best[0]:
                best = (score, entry.name)
        return best[1] if best is not None else ""

    def _first(self, wish: Wish, heap: list[_Entry], limit: int) -> _Entry | None:
        looked = 0
        fresh: _Entry | None = None
        aside: list[_Entry] = []
        while heap:
            entry = heap[0]
            if not self._is_current(entry):
                heapq.heappop(heap)
                continue
            state = self._cluster.nodes[entry.name]
            if state.version != entry.version:
                if looked >= limit and fresh is not None:
                    break
                heapq.heappop(heap)
                looked += 1
                self._look_at(wish, state)
                continue
            if not state.nominated or refusal_beside_nominated(wish, state, self._cluster, self._profile) is None:
                fresh = entry
                break
            aside.append(heapq.heappop(heap))
        for entry in aside:
            heapq.heappush(heap, entry)
        return fresh
