"""Whether a pod has more on this disk than its own limits allow, in the kubelet's order and words. Pure.

https://kubernetes.io/docs/concepts/storage/ephemeral-storage/#resource-emphemeralstorage-consumption, and
pkg/kubelet/eviction of Kubernetes. Static pods are judged too: it is their own limit.
"""

from collections.abc import Mapping
from typing import Protocol

from agent.pods.qos import amount
from agent.volumes.usage import Used
from api.core import Pod, Volume
from api.scalars import Quantity

_RESOURCE = "ephemeral-storage"


class Measured(Protocol):
    """Of one volume."""

    @property
    def used(self) -> Used: ...


class Parts(Protocol):
    """Of one container."""

    @property
    def layer(self) -> Used: ...

    @property
    def logs(self) -> Used: ...


class Disk(Protocol):
    """What was measured of a pod."""

    @property
    def volumes(self) -> Mapping[str, Measured]: ...

    @property
    def containers(self) -> Mapping[str, Parts]: ...

    @property
    def local(self) -> Used: ...


def has_limits(pod: Pod) -> bool:
    limited = (amount(container, "limits", _RESOURCE) for container in pod.spec.containers)
    return any(_size_limit(volume) is not None for volume in pod.spec.volumes) or any(limited)


def over_limit(pod: Pod, disk: Disk) -> str:
    """The sentence of the eviction; empty when all is within its limits."""
    return _volume(pod, disk) or _whole_pod(pod, disk) or _container(pod, disk)


def _size_limit(volume: Volume) -> Quantity | None:
    """Of an emptyDir on disk; one in memory is as large as its mount."""
    source = volume.empty_dir
    if source is None or source.medium or source.size_limit is None or source.size_limit.units <= 0:
        return None
    return source.size_limit


def _volume(pod: Pod, disk: Disk) -> str:
    for volume in pod.spec.volumes:
        limit = _size_limit(volume)
        measured = disk.volumes.get(volume.name)
        if limit is not None and measured is not None and measured.used.bytes > limit.units:
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
    return ""


def _whole_pod(pod: Pod, disk: Disk) -> str:
    """A sum of limits exists as soon as one container has one, as in Kubernetes."""
    limits = [limit for one in pod.spec.containers if (limit := amount(one, "limits", _RESOURCE)) is not None]
    total = sum(limit.units for limit in limits)
    if limits and disk.local.bytes > total:
        told = Quantity(total if total % 1024 else f"{total // 1024}Ki")
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {told}. "
    return ""


def _container(pod: Pod, disk: Disk) -> str:
    for container in pod.spec.containers:
        limit, used = amount(container, "limits", _RESOURCE), disk.containers.get(container.name)
        if limit is not None and used is not None and (used.layer + used.logs).bytes > limit.units:
            return f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""
