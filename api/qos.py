"""Quality of service of a pod, from the requests and limits of its containers.

An amount of zero counts as none. Source: pkg/apis/core/v1/helper/qos of Kubernetes, and
https://kubernetes.io/docs/tasks/configure-pod-container/quality-service-pod/
"""

from typing import Literal

from api.core import PodSpec
from api.core.container import ResourceRequirements
from api.pod_resources import is_said_of_pod

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]
_COUNTED = ("cpu", "memory")


def qos_class(spec: PodSpec) -> QosClass:
    """Guaranteed: every container has limits for CPU and memory and asks for just these. BestEffort: none asks for
    anything. Burstable: all others. Of a pod that asks for something as a whole only that counts.
    """
    parts = [one.resources for one in (*spec.init_containers, *spec.containers)]
    if is_said_of_pod(spec):
        parts = [spec.resources]
    if not any(_asks(part) for part in parts):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(part) for part in parts) else "Burstable"


def _asks(resources: ResourceRequirements | None) -> bool:
    if resources is None:
        return False
    amounts = [part.get(name) for part in (resources.requests, resources.limits) for name in _COUNTED]
    return any(amount is not None and amount.value > 0 for amount in amounts)


def _is_guaranteed(resources: ResourceRequirements | None) -> bool:
    if resources is None:
        return False
    for name in _COUNTED:
        limit = resources.limits.get(name)
        if limit is None or limit.value <= 0 or resources.requests.get(name, limit).value != limit.value:
            return False
    return True
