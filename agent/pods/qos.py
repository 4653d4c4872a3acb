"""What a container's resources become on Docker. Pure.

Formulas are the kubelet's: https://kubernetes.io/docs/tasks/configure-pod-container/quality-service-pod/ and
pkg/kubelet/qos/policy.go, pkg/kubelet/cm/helpers_linux.go.
"""

from dataclasses import dataclass
from typing import Literal

from api.core import Container, Pod
from api.qos import qos_class
from api.scalars import Quantity

CPU_PERIOD_US = 100_000
MIN_QUOTA_US = 1_000
MIN_SHARES, MAX_SHARES = 2, 262_144
MIN_MEMORY_BYTES = 6 * 2**20  # Docker's own least
SANDBOX_OOM_SCORE = -998


@dataclass(frozen=True, slots=True)
class Limits:
    """As Docker's HostConfig has them; 0 is no limit."""

    cpu_shares: int
    cpu_quota_us: int
    memory_bytes: int
    oom_score_adj: int


def amount(container: Container, kind: Literal["requests", "limits"], name: str) -> Quantity | None:
    """A request or limit; a request that is not set is the limit."""
    if container.resources is None:
        return None
    if kind == "requests" and name in container.resources.requests:
        return container.resources.requests[name]
    return container.resources.limits.get(name)


def limits(pod: Pod, container: Container, *, machine_memory_bytes: int) -> Limits:
    cpu_request, cpu_limit = amount(container, "requests", "cpu"), amount(container, "limits", "cpu")
    memory_limit = amount(container, "limits", "memory")
    return Limits(
        cpu_shares=shares(cpu_request.millis if cpu_request else 0),
        cpu_quota_us=quota_us(cpu_limit.millis if cpu_limit else 0),
        memory_bytes=memory_limit.units if memory_limit else 0,
        oom_score_adj=oom_score_adj(pod, container, machine_memory_bytes=machine_memory_bytes),
    )


def shares(millicores: int) -> int:
    return min(max(millicores * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def quota_us(millicores: int) -> int:
    return max(millicores * CPU_PERIOD_US // 1000, MIN_QUOTA_US) if millicores else 0


def oom_score_adj(pod: Pod, container: Container, *, machine_memory_bytes: int) -> int:
    """The less a Burstable container asked for, the sooner the kernel ends it."""
    quality = qos_class(pod.spec)
    if quality == "Guaranteed":
        return -997
    if quality == "BestEffort":
        return 1000
    request = amount(container, "requests", "memory")
    asked = 1000 * request.units // max(machine_memory_bytes, 1) if request else 0
    return min(max(1000 - asked, 3), 999)
