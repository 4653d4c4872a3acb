"""Quality of service of a pod, from the requests and limits of its containers."""

from api.core import Container, PodSpec, ResourceRequirements

_COUNTED = ("cpu", "memory")


def qos_class(spec: PodSpec) -> str:
    """Guaranteed: every container has limits for CPU and memory and asks for just these. BestEffort: none asks for
    anything. Burstable: all others.
    """
    containers = [*spec.init_containers, *spec.containers]
    if not any(_amounts(container) for container in containers):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(container) for container in containers) else "Burstable"


def _amounts(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    return any(name in amounts for amounts in (resources.limits, resources.requests) for name in _COUNTED)


def _guaranteed(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    return all(name in resources.limits and _asks_for_its_limit(resources, name) for name in _COUNTED)


def _asks_for_its_limit(resources: ResourceRequirements, name: str) -> bool:
    limit = resources.limits[name]
    return resources.requests.get(name, limit).value == limit.value
