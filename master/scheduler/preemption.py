"""Who has to go so that a more important pod can run. Decides only; the scheduler deletes.

The rules are Kubernetes' (pkg/scheduler/framework/preemption): only pods of lower priority go, only where that helps,
as few and as unimportant as possible, and rather those that break no disruption budget; of several nodes the one where
least harm is done.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from master.scheduler.budgets import Budget, breaking
from master.scheduler.cluster import Cluster
from master.scheduler.decision import sentence
from master.scheduler.filters import Refusal
from master.scheduler.nodestate import NodeState
from master.scheduler.nominations import refusal_beside_nominated
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish

NOT_HELPFUL = Refusal(("Preemption is not helpful for scheduling",))
NO_VICTIMS = Refusal(("No preemption victims found for incoming pod",))


@dataclass(frozen=True, slots=True)
class Victims:
    """Who has to go from a node, the most important first, and how many of them break a disruption budget."""

    pods: list[Wish]
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The node, and the pods to delete there; or a sentence about why that does not help."""

    node: str = ""
    victims: tuple[Wish, ...] = ()
    reason: str = ""
    # Room is being made already.
    keeps: bool = False


def importance(wish: Wish) -> tuple[int, datetime]:
    """Sorts the most important pod first: the higher priority, then the longer running."""
    return -wish.priority, wish.started


def plan(
    wish: Wish,
    cluster: Cluster,
    profile: Profile,
    refusals: Counter[Refusal],
    refusal_of: Callable[[Wish, NodeState], Refusal | None],
    budgets: Sequence[Budget] = (),
) -> Plan:
    """refusals: what is against all nodes, counted. refusal_of: what is against one."""
    found = ways(wish, cluster, profile, refusals, refusal_of, budgets)
    return found if isinstance(found, Plan) else least_harm(found)


def least_harm(found: Mapping[str, Victims]) -> Plan:
    """Of the ways by node; there is one at least."""
    node = min(found, key=lambda name: harm(found[name]))
    return Plan(node=node, victims=tuple(found[node].pods))


def ways(
    wish: Wish,
    cluster: Cluster,
    profile: Profile,
    refusals: Counter[Refusal],
    refusal_of: Callable[[Wish, NodeState], Refusal | None],
    budgets: Sequence[Budget] = (),
) -> dict[str, Victims] | Plan:
    """Who would have to go, by node; or why that does not help."""
    if not (refusals and profile.preempts):
        return Plan()
    if not wish.preempts:
        return Plan(reason="preemption: not eligible due to preemptionPolicy=Never.")
    if is_waiting_for_victims(wish, cluster, refusal_of):
        return Plan(reason="preemption: not eligible due to a terminating pod on the nominated node.", keeps=True)
    if min(cluster.priorities, default=wish.priority) >= wish.priority:
        return _helpless(Counter(dict(_without_victims(refusals))))
    found: dict[str, Victims] = {}
    failed: Counter[Refusal] = Counter()
    least, percent = profile.tuning.preemption
    enough = max(1, least, len(cluster.nodes) * percent // 100)
    for state in cluster.nodes.values():
        refusal = refusal_of(wish, state)
        if refusal is None or not refusal.curable:
            failed[NOT_HELPFUL] += 1
            continue
        victims = victims_on(wish, state, cluster, profile, budgets)
        if isinstance(victims, Refusal):
            failed[victims] += 1
        else:
            found[state.name] = victims
            if len(found) >= enough and any(not there.broken for there in found.values()):
                break
    return found or _helpless(failed)


def _without_victims(refusals: Counter[Refusal]) -> Iterable[tuple[Refusal, int]]:
    curable = sum(count for refusal, count in refusals.items() if refusal.curable)
    if curable:
        yield NO_VICTIMS, curable
    if refusals.total() > curable:
        yield NOT_HELPFUL, refusals.total() - curable


def _helpless(failed: Counter[Refusal]) -> Plan:
    return Plan(reason=f"preemption: {sentence(failed, failed.total())}")


def is_waiting_for_victims(
    wish: Wish, cluster: Cluster, refusal_of: Callable[[Wish, NodeState], Refusal | None]
) -> bool:
    """Whether room is being made already: a less important pod is on its way out of the nominated node, and its going
    will help."""
    state = cluster.nodes.get(cluster.nominated_to(wish.uid))
    if state is None or not any(pod.deleting and pod.priority < wish.priority for pod in state.pods.values()):
        return False
    refusal = refusal_of(wish, state)
    return refusal is None or refusal.curable


def victims_on(
    wish: Wish, state: NodeState, cluster: Cluster, profile: Profile, budgets: Sequence[Budget] = ()
) -> Victims | Refusal:
    """The fewest and least important pods that have to go from a node, or why it would not help. Those that would
    break a budget are the first to be let stay.
    """
    if min(state.priorities, default=wish.priority) >= wish.priority:
        return NO_VICTIMS
    lesser = sorted((pod for pod in state.pods.values() if pod.priority < wish.priority), key=importance)
    broken = breaking(lesser, budgets) if budgets else set()
    gone = list(lesser)
    for pod in lesser:
        cluster.take_in_mind(pod, state)
    try:
        refusal = refusal_beside_nominated(wish, state, cluster, profile)
        if refusal is not None:
            return refusal
        for pod in sorted(lesser, key=lambda one: one.uid not in broken):
            cluster.put_in_mind(pod, state)
            if refusal_beside_nominated(wish, state, cluster, profile) is None:
                gone.remove(pod)
            else:
                cluster.take_in_mind(pod, state)
        return Victims(list(gone), sum(pod.uid in broken for pod in gone))
    finally:
        for pod in gone:
            cluster.put_in_mind(pod, state)


def harm(there: Victims) -> tuple[int, int, int, int, float]:
    """Sorts the node first where the fewest budgets are broken, then where the most important victim is least
    important, then where the sum of priorities is least, then where the fewest go, then where the most important ones
    have run the shortest.
    """
    victims = there.pods
    if not victims:
        return 0, -(2**31), 0, 0, 0.0
    most = victims[0].priority
    oldest = min(pod.started for pod in victims if pod.priority == most)
    # Kubernetes makes all priorities positive, so that more victims weigh more.
    return there.broken, most, sum(pod.priority + 2**31 for pod in victims), len(victims), -oldest.timestamp()
