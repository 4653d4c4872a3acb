"""Quality of service of a pod, from the requests and limits of its containers.

An amount of zero counts as none. Source: pkg/apis/core/v1/helper/qos of Kubernetes, and
https://kubernetes.io/docs/tasks/configure-pod-container/quality-service-pod/
"""

from typing import Literal

from api.core import Container, PodSpec

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]
_COUNTED = ("cpu", "memory")


def qos_class(spec: PodSpec) -> QosClass:
    """Guaranteed: every container has limits for CPU and memory and asks for just these. BestEffort: none asks for
    anything. Burstable: all others.
    """
    containers = [*spec.init_containers, *spec.containers]
    if not any(_asks(container) for container in containers):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(container) for container in containers) else "Burstable"


def _asks(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    amounts = [part.get(name) for part in (resources.requests, resources.limits) for name in _COUNTED]
    return any(amount is not None and amount.value > 0 for amount in amounts)


def _is_guaranteed(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    for name in _COUNTED:
        limit = resources.limits.get(name)
        if limit is None or limit.value <= 0 or resources.requests.get(name, limit).value != limit.value:
            return False
    return True
