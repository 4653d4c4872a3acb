"""Which cgroups the pods of a node want, and with what limits. Pure.

The layout and the formulas are the kubelet's: kubepods, kubepods/burstable and kubepods/besteffort, and a group for
each pod; a Guaranteed pod's stands right under kubepods. Source: pkg/kubelet/cm of Kubernetes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.pods.observed import is_sidecar
from agent.pods.qos import amount, quota_us, shares
from api.core import Container, Pod
from api.pod_resources import part_of
from api.qos import qos_class

PODS, BURSTABLE, BEST_EFFORT = "kubepods", "burstable", "besteffort"
Names = tuple[str, ...]  # from the root of the hierarchy down


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Shares as in cgroup v1 (2-262144); quota in microseconds of each 100 ms, memory in bytes: 0 is no limit."""

    cpu_shares: int
    cpu_quota_us: int = 0
    memory_bytes: int = 0


def pods_group(root: str) -> Names:
    """``root``: a path such as / or /name."""
    return (*(part for part in root.split("/") if part), PODS)


def group_of(pod: Pod, root: str) -> Names:
    quality = qos_class(pod.spec)
    between = () if quality == "Guaranteed" else (quality.lower(),)
    return (*pods_group(root), *between, f"pod{pod.metadata.uid}")


def allowance_of(pod: Pod) -> Allowance:
    """A limit holds for the pod when it is said of it as a whole, or when each of its containers has one."""
    if qos_class(pod.spec) == "BestEffort":
        return Allowance(cpu_shares=shares(0))
    whole = part_of(pod.spec, "limits")
    cpu = whole["cpu"].millis if "cpu" in whole else _if_all_limited(pod, "cpu", lambda one: _millis(one, "limits"))
    memory = whole["memory"].units if "memory" in whole else _if_all_limited(pod, "memory", _memory_limit)
    return Allowance(cpu_shares=shares(_asked_millis(pod)), cpu_quota_us=quota_us(cpu), memory_bytes=memory)


def parents(pods: Iterable[Pod], root: str, *, cpu_millis: int, memory_bytes: int) -> dict[Names, Allowance]:
    """The groups above the pods'. cpu_millis: what pods of the node may ask for; memory_bytes: 0 for all there is."""
    top = pods_group(root)
    burstable = [pod for pod in pods if qos_class(pod.spec) == "Burstable"]
    asked = sum(_asked_millis(pod) for pod in burstable)
    return {
        top: Allowance(cpu_shares=shares(cpu_millis), memory_bytes=memory_bytes),
        (*top, BURSTABLE): Allowance(cpu_shares=shares(asked)),
        (*top, BEST_EFFORT): Allowance(cpu_shares=shares(0)),
    }


def most_at_once(pod: Pod, of: Callable[[Container], int]) -> int:
    """What the pod needs at most at one time: its containers together, or an init container beside the sidecars that
    were started before it."""
    beside, peak = 0, 0
    for container in pod.spec.init_containers:
        if is_sidecar(container):
            beside += of(container)
        peak = max(peak, beside if is_sidecar(container) else beside + of(container))
    return max(peak, beside + sum(of(container) for container in pod.spec.containers))


def _asked_millis(pod: Pod) -> int:
    whole = part_of(pod.spec, "requests").get("cpu")
    return whole.millis if whole is not None else most_at_once(pod, lambda one: _millis(one, "requests"))


def _if_all_limited(pod: Pod, resource: str, of: Callable[[Container], int]) -> int:
    """What the containers may have together; 0, which is no limit, when one of them has none."""
    found = (amount(one, "limits", resource) for one in [*pod.spec.init_containers, *pod.spec.containers])
    return most_at_once(pod, of) if all(limit is not None and limit.value > 0 for limit in found) else 0


def _millis(container: Container, kind: str) -> int:
    found = amount(container, "requests" if kind == "requests" else "limits", "cpu")
    return found.millis if found is not None else 0


def _memory_limit(container: Container) -> int:
    found = amount(container, "limits", "memory")
    return found.units if found is not None else 0
