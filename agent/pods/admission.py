"""Pods that this node does not take, though they were bound to it: the kubelet's own checks, after the scheduler's.

Nothing is asked of the master for it: what the node is called and carries is read as it was told last, and is not
judged before it was told once.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.pods.eviction import is_critical
from agent.pods.fitting import Amounts, Problem, asked, shortages, told, total, unfit
from agent.pods.observed import Leaving
from agent.pods.preempting import victims
from agent.pods.sysctls import forbidden_sysctl
from api.core import Node, Pod
from api.placement import HostPort, host_ports

_PREEMPTED = "Preempted in order to admit critical pod"
_LEAST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a pod that was let in holds."""

    amounts: Amounts
    ports: frozenset[HostPort]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known of the node. pods: with their newest status; running: whether anything of a pod (by uid) runs;
    node: as the API has it, None before it was told.
    """

    pods: Callable[[], Iterable[Pod]]
    running: Callable[[str], bool]
    node: Callable[[], Node | None]


class Admission:
    """``allowed``: sysctls beside the safe ones; one that ends with * stands for all that begin so.

    A pod of which something runs already was let in before. Thread-safe. Pods are let in as they were made, each once:
    one that is too large takes no room from those after it. For a critical one others have to go.
    """

    def __init__(
        self,
        allowed: Collection[str],
        capacity: Amounts,
        around: Around,
        *,
        leave: Callable[[Pod, Leaving], None],
        tell: Callable[[Pod, str, str], None],
    ) -> None:
        self._allowed = allowed
        self._capacity = capacity
        self._around = around
        self._leave = leave
        self._tell = tell
        self._lock = threading.Lock()
        self._taken: dict[str, Taken] = {}
        self._refused: dict[str, Problem] = {}
        self._giving_way: set[str] = set()
        self._waits: dict[str, tuple[float, frozenset[str]]] = {}  # until when (monotonic), for whom

    def refuses(self, pod: Pod) -> bool:
        """Whether the pod is not taken; it is then told so."""
        uid = pod.metadata.uid
        if uid in self._taken or _is_over(pod) or pod.metadata.deletion_timestamp is not None:
            return False
        with self._lock:
            if not self._is_decided(uid):
                self._decide(pod)
            problem = self._refused.get(uid)
        if problem is None:
            return False
        reason, message = problem
        self._tell(pod, reason, message)
        self._leave(pod, Leaving(reason=reason, message=f"Pod was rejected: {message}", rejected=True))
        return True

    def waits(self, pod: Pod) -> bool:
        """Whether those that give way to the pod are still there. One that hangs is not waited for without end."""
        until, whom = self._waits.get(pod.metadata.uid, (0.0, frozenset()))
        in_time = time.monotonic() < until and pod.metadata.deletion_timestamp is None
        return in_time and any(map(self._around.running, whom))

    def _is_decided(self, uid: str) -> bool:
        return uid in self._taken or uid in self._refused or uid in self._giving_way

    def _decide(self, pod: Pod) -> None:
        """Of this pod, and of those before it that wait for a decision too."""
        known = {one.metadata.uid: one for one in self._around.pods() if not self._is_gone(one)}
        present = known | {pod.metadata.uid: pod}
        self._taken = {uid: taken for uid, taken in self._taken.items() if uid in present}
        self._refused = {uid: problem for uid, problem in self._refused.items() if uid in present}
        self._giving_way &= present.keys()
        self._waits = {uid: wait for uid, wait in self._waits.items() if uid in present}
        for uid, one in present.items():
            if not self._is_decided(uid) and self._around.running(uid):
                self._taken[uid] = _taken(one)
        for one in sorted(present.values(), key=_made):
            if self._is_decided(one.metadata.uid) or _made(one) > _made(pod):
                continue
            if problem := self._problem(one, present):
                self._refused[one.metadata.uid] = problem
            else:
                self._taken[one.metadata.uid] = _taken(one)

    def _is_gone(self, pod: Pod) -> bool:
        """Whether it takes no room any more."""
        runs = self._around.running
        return _is_over(pod) or (pod.metadata.deletion_timestamp is not None and not runs(pod.metadata.uid))

    def _problem(self, pod: Pod, present: Mapping[str, Pod]) -> Problem | None:
        if forbidden := forbidden_sysctl(pod, self._allowed):
            return "SysctlForbidden", forbidden
        ports = [port for taken in self._taken.values() for port in taken.ports]
        wrong = unfit(pod, self._around.node(), ports)
        wanted, used = asked(pod), total(taken.amounts for taken in self._taken.values())
        short = shortages(wanted, used, self._capacity)
        if short and not is_critical(pod):
            return told(next(iter(short)), wanted, used, self._capacity)
        return wrong or (self._make_room(pod, short, present) if short else None)

    def _make_room(self, critical: Pod, short: Mapping[str, int], present: Mapping[str, Pod]) -> Problem | None:
        """Has other pods go, or says why that would not do."""
        chosen, missing = victims(critical, [present[uid] for uid in self._taken], short)
        if missing:
            listed = "".join(f"(res: {name}, q: {number}), " for name, number in missing.items())
            return "UnexpectedAdmissionError", (
                "Unexpected error while attempting to recover from admission failure: preemption: error finding a set "
                f"of pods to preempt: no set of running pods found to reclaim resources: [{listed}]"
            )
        graces = [0]
        for pod in chosen:
            wanted_s = pod.spec.termination_grace_period_seconds
            graces.append(30 if wanted_s is None else wanted_s)
            self._giving_way.add(pod.metadata.uid)
            del self._taken[pod.metadata.uid]
            self._tell(pod, "Preempting", _PREEMPTED)
            self._leave(pod, Leaving(reason="Preempting", message=_PREEMPTED, grace_s=graces[-1]))
        until = time.monotonic() + max(max(graces) * 1.5, _LEAST_WAIT_S)
        self._waits[critical.metadata.uid] = until, frozenset(pod.metadata.uid for pod in chosen)
        return None


def _taken(pod: Pod) -> Taken:
    return Taken(amounts=asked(pod), ports=host_ports(pod.spec))


def _is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _made(pod: Pod) -> tuple[datetime, str]:
    """Static pods come first: nobody has made them."""
    return pod.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC), pod.metadata.uid
