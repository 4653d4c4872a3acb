"""Which pods make room for a critical one that does not fit: as few as can be, the least quality first. Pure.

The choice is the kubelet's. Source: pkg/kubelet/preemption of Kubernetes.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from agent.pods.eviction import is_critical
from agent.pods.fitting import asked
from api.core import Pod
from api.qos import qos_class

Needs = Mapping[str, int]  # what is short by resource, more than 0


def victims(critical: Pod, pods: Collection[Pod], needs: Needs) -> tuple[list[Pod], Needs]:
    """Those of ``pods`` that have to go; none, and what is short all the same, when all that may go would not do."""
    groups: dict[str, list[Pod]] = {"BestEffort": [], "Burstable": [], "Guaranteed": []}
    for pod in pods:
        if _gives_way(pod, critical):
            groups[qos_class(pod.spec)].append(pod)
    best_effort, burstable, guaranteed = groups.values()
    if missing := _left(needs, [*best_effort, *burstable, *guaranteed]):
        return [], missing
    chosen = _nearest(guaranteed, _left(needs, [*best_effort, *burstable]))
    chosen = _nearest(burstable, _left(needs, [*best_effort, *chosen])) + chosen
    return _nearest(best_effort, _left(needs, chosen)) + chosen, {}


def _gives_way(pod: Pod, critical: Pod) -> bool:
    if not is_critical(pod):
        return True
    mine, other = critical.spec.priority, pod.spec.priority
    return mine is not None and other is not None and mine > other


def _left(needs: Needs, gone: Sequence[Pod]) -> Needs:
    """What is still short when these are gone."""
    freed = [asked(pod) for pod in gone]
    rest = {name: number - sum(one[name] for one in freed) for name, number in needs.items()}
    return {name: number for name, number in rest.items() if number > 0}


def _nearest(pods: Sequence[Pod], needs: Needs) -> list[Pod]:
    """One after the other the pod that covers most of what is short; among equals the one that asks for least."""
    candidates, chosen = list(pods), list[Pod]()
    while needs:
        best = min(candidates, key=partial(_rank, needs=needs))
        candidates.remove(best)
        chosen.append(best)
        needs = _left(needs, [best])
    return chosen


def _rank(pod: Pod, needs: Needs) -> tuple[float, int, int, str]:
    """The uid settles a tie."""
    amounts = asked(pod)
    distance = sum((max(number - amounts[name], 0) / number) ** 2 for name, number in needs.items())
    return distance, amounts["memory"], amounts["cpu"], pod.metadata.uid
