"""Which cgroups the pods of a node want, and with what limits. Pure.

The layout and the formulas are the kubelet's: kubepods, kubepods/burstable and kubepods/besteffort, and a group for
each pod; a Guaranteed pod's stands right under kubepods. Source: pkg/kubelet/cm of Kubernetes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.pods.qos import quota_us, shares
from api.core import Pod
from api.pod_resources import of_containers, part_of, total
from api.qos import qos_class
from api.scalars import Quantity

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
    cpu, memory = _limit(pod, "cpu"), _limit(pod, "memory")
    return Allowance(
        cpu_shares=shares(_asked_millis(pod)),
        cpu_quota_us=quota_us(cpu.millis if cpu is not None else 0),
        memory_bytes=memory.units if memory is not None else 0,
    )


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


def _asked_millis(pod: Pod) -> int:
    cpu = total(pod.spec, "requests").get("cpu")
    return cpu.millis if cpu is not None else 0


def _limit(pod: Pod, name: str) -> Quantity | None:
    """What the pod may have: as it is said of it, or of all its containers together; none when one has no limit."""
    whole = part_of(pod.spec, "limits").get(name)
    each = [part_of(one, "limits").get(name) for one in (*pod.spec.init_containers, *pod.spec.containers)]
    if whole is not None or not all(limit is not None and limit.value > 0 for limit in each):
        return whole
    return of_containers(pod.spec, "limits").get(name)
