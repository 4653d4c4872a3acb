"""What a container, or a pod as a whole, asks for and may have: names of resources, and how the amounts fit together.

Source: pkg/apis/core/validation (ValidateContainerResourceRequirements, validatePodResources); KEP 2837.
"""

from collections.abc import Iterator

from api.core.container import ResourceRequirements
from api.core.pod import PodSpec
from api.errors import FieldError, forbidden, invalid, not_supported, required
from api.pod_resources import FOR_PODS, of_containers

_OF_CONTAINERS = ("cpu", "ephemeral-storage", "memory")
_HUGE_PAGES = "hugepages-"


def container_amount_errors(resources: ResourceRequirements, path: str) -> Iterator[FieldError]:
    yield from _amount_errors(resources, path, whole=False)


def whole_errors(spec: PodSpec, resources: ResourceRequirements, path: str) -> Iterator[FieldError]:
    """Of what is said of a pod as a whole: also whether its containers fit into it."""
    if spec.os is not None and spec.os.name == "windows":
        yield forbidden(path, "may not be set for a windows pod")
        return
    yield from _amount_errors(resources, path, whole=True)
    for name, asked in of_containers(spec, "requests").items():
        whole = resources.requests.get(name)
        if whole is not None and asked.value > whole.value:
            why = f"must be greater than or equal to aggregate container requests of {asked}"
            yield invalid(f"{path}.requests[{name}]", whole, why)
    for name, limit in of_containers(spec, "limits").items():
        whole = resources.limits.get(name)
        if whole is not None and name.startswith(_HUGE_PAGES) and limit.value > whole.value:
            why = f"must be greater than or equal to aggregate container limits of {limit}"
            yield invalid(f"{path}.limits[{name}]", whole, why)
    for index, container in enumerate(spec.containers):
        for name, limit in (container.resources.limits if container.resources is not None else {}).items():
            whole = resources.limits.get(name)
            if whole is not None and limit.value > whole.value:
                # Kubernetes tells the place below that of the pod's own, too.
                at = f"{path}.containers[{index}][{name}].limits"
                yield invalid(at, limit, f"must be less than or equal to pod limits of {whole}")


def _amount_errors(resources: ResourceRequirements, path: str, *, whole: bool) -> Iterator[FieldError]:
    for group, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, amount in amounts.items():
            at = f"{path}.{group}[{name}]"
            yield from _whole_name_errors(name, at) if whole else _name_errors(name, at)
            if amount.value < 0:
                yield invalid(at, amount, "must be greater than or equal to 0")
            elif _is_extended(name) and amount.value % 1:
                yield invalid(at, amount, "must be an integer")
    for name, amount in resources.requests.items():
        limit = resources.limits.get(name)
        if _is_extended(name) or name.startswith(_HUGE_PAGES):
            if limit is None:
                yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
            elif amount.value != limit.value:
                yield invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
        elif limit is not None and amount.value > limit.value:
            yield invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")
    named = {*resources.limits, *resources.requests}
    if not named & {"cpu", "memory"} and any(name.startswith(_HUGE_PAGES) for name in named):
        yield forbidden(path, "HugePages require cpu or memory")


def _name_errors(name: str, path: str) -> Iterator[FieldError]:
    """A plain name must be one that is known for containers."""
    if "/" in name or name in _OF_CONTAINERS or name.startswith(_HUGE_PAGES):
        return
    yield invalid(path, name, "must be a standard resource type or fully qualified")
    yield invalid(path, name, "must be a standard resource for containers")


def _whole_name_errors(name: str, path: str) -> Iterator[FieldError]:
    if name not in ("cpu", "memory") and not name.startswith(_HUGE_PAGES):
        yield not_supported(path, name, sorted(FOR_PODS))


def _is_extended(name: str) -> bool:
    """Whether it is counted in whole pieces that cannot be promised twice."""
    return "/" in name and not name.startswith(("kubernetes.io/", "requests."))
