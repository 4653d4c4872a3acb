"""What is decided for a pod is settled in the picture: room is kept on a node, or is being made for it.

Extenders have a say in the decision where there are any.
"""

from dataclasses import dataclass

from api.core import Pod
from client import Client
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Choice, Chooser, Offer
from master.scheduler.extenders import Asked, ExtenderError
from master.scheduler.metrics import SchedulerMetrics
from master.scheduler.picture import Picture
from master.scheduler.preemption import Plan, least_harm, plan, ways
from master.scheduler.profile import Profile
from master.scheduler.views import NOTHING_NEAR
from master.scheduler.wish import Wish


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided for a pod: the choice, how room is made, who lost a nomination by it, and volumes of claims."""

    choice: Choice
    way: Plan
    lost: list[Wish]
    bindings: dict[str, str]


class Settling:
    """Decides by one profile, and has the picture count it."""

    def __init__(
        self, client: Client, cluster: Cluster, picture: Picture, profile: Profile, metrics: SchedulerMetrics
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._picture = picture
        self._profile = profile
        self._chooser = Chooser(cluster, profile)
        self._metrics = metrics

    def settle(self, wish: Wish) -> Settled:
        """Decides, and keeps room or has it made. With the picture locked."""
        return self._settle(wish, self._chooser.choose(wish))

    def settle_with(self, asked: Asked, wish: Wish) -> Settled:
        """The same with the picture not locked, extenders having a say. They are asked about it as it was.

        Raises ExtenderError, ApiError and Unreachable.
        """
        # What the picture keeps of a pod is what we ourselves read.
        pod = self._client.get(Pod, wish.name, wish.namespace)
        with self._picture.lock:
            found = self._chooser.offer(wish)
            nodes = {name: self._cluster.nodes[name].node for name in found.totals} if isinstance(found, Offer) else {}
        if isinstance(found, Offer):
            filtered = asked.filter(pod, nodes)
            totals = asked.rated(pod, {name: nodes[name] for name in filtered.names}, found.totals)
            found = self._chooser.chosen(found, totals, filtered.refusals.values())
        with self._picture.lock:
            if found.node:
                if found.node not in self._cluster.nodes:
                    raise ExtenderError(f"node {found.node} has gone while extenders were asked")
                return self._settle(wish, found)
            budgets, refusal_of = self._picture.budgets(), self._chooser.refusal
            way = ways(wish, self._cluster, self._profile, found.refusals, refusal_of, budgets)
            there = {} if isinstance(way, Plan) else {n: [*self._cluster.nodes[n].pods.values()] for n in way}
        if not isinstance(way, Plan):
            shown = {one.metadata.uid: one for one in self._picture.pods.items()}
            left = asked.victims(pod, way, shown, there)
            way = least_harm(left) if left else Plan(reason="preemption: extenders left no node where it helps.")
        with self._picture.lock:
            return self._settle(wish, found, way)

    def _settle(self, wish: Wish, choice: Choice, way: Plan | None = None) -> Settled:
        """Keeps the room of a choice, or has room made. With the picture locked."""
        bindings: dict[str, str] = {}
        lost: list[Wish] = []
        if choice.node and wish.volumes.delayed:
            # The room is kept until the claims are bound, which brings the pod back.
            self._cluster.nominate(wish, choice.node)
            state = self._cluster.nodes[choice.node]
            with self._metrics.volumes("assume"):
                bindings = wish.volumes.bindings(state.name, state.labels) or {}
        elif choice.node:
            self._cluster.place(wish, choice.node)
        else:
            if way is None:
                budgets = self._picture.budgets()
                way = plan(wish, self._cluster, self._profile, choice.refusals, self._chooser.refusal, budgets)
            lost = self._nominate(wish, way)
        # What is kept of the pod must not keep the counts of this moment.
        wish.view = NOTHING_NEAR
        return Settled(choice, way or Plan(), lost, bindings)

    def _nominate(self, wish: Wish, way: Plan) -> list[Wish]:
        """Keeps the room that is being made. Less important pods lose theirs on that node; they are returned."""
        state = self._cluster.nodes.get(way.node)
        if state is None:
            if not way.keeps:
                self._cluster.unnominate(wish.uid)
            return []
        lost = [one for one in state.nominated.values() if one.priority < wish.priority]
        for one in lost:
            self._cluster.unnominate(one.uid)
        self._cluster.nominate(wish, way.node)
        return lost
