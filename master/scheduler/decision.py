"""Chooses a node for a pod; pure."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from api.core import Pod
from master.scheduler.cluster import NodeState
from master.scheduler.filters import Wish, why_not
from master.scheduler.scores import total


@dataclass(frozen=True, slots=True)
class Choice:
    """The node, or a sentence about why there is none."""

    node: str = ""
    reason: str = ""


def choose(pod: Pod, nodes: Collection[NodeState], *, turn: int = 0) -> Choice:
    """The best node that passes every filter. ``turn`` picks among equals, so that they are used in turn."""
    if not nodes:
        return Choice(reason="no nodes available to schedule pods")
    if pod.spec.scheduling_gates:
        return Choice(reason="Scheduling is blocked due to non-empty scheduling gates")
    wish = Wish.of(pod)
    refusals: Counter[str] = Counter()
    fitting: list[NodeState] = []
    for state in nodes:
        reason = why_not(wish, state)
        if reason:
            refusals[reason] += 1
        else:
            fitting.append(state)
    if not fitting:
        listed = ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items()))
        return Choice(reason=f"0/{len(nodes)} nodes are available: {listed}.")
    if len(fitting) == 1:
        return Choice(node=fitting[0].node.metadata.name)
    scored = [(total(pod, state), state.node.metadata.name) for state in fitting]
    best = max(score for score, _ in scored)
    equals = sorted(name for score, name in scored if score == best)
    return Choice(node=equals[turn % len(equals)])
