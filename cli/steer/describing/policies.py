"""Quotas, limits, budgets, priorities and claims."""

from collections.abc import Iterator, Sequence

from cli.steer.describing.page import Object, Page, begin, events_of
from cli.steer.selection import label_text

_SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before "
    "being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running "
    "pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality "
    "of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable "
    "or guaranteed quality of service.",
}
_LIMITS = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")
_BOUNDS = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def quota(page: Page, item: Object) -> None:
    """What may be used, and what is."""
    begin(page, item)
    _scopes(page, item, "", " ")
    page.add("Resource\tUsed\tHard")
    page.add("--------\t----\t----")
    for row in _used(item):
        page.add(row)


def quotas(page: Page, items: Sequence[Object]) -> None:
    """Those of a namespace."""
    if not items:
        page.add("\nNo resource quota.")
        return
    page.add("\nResource Quotas")
    for item in items:
        page.add(f"  Name:\t{item['metadata']['name']}")
        _scopes(page, item, "  ", "  ")
        page.add("  Resource\tUsed\tHard")
        page.add("  --------\t---\t---")
        for row in _used(item):
            page.add(f"  {row}")


def _scopes(page: Page, item: Object, indent: str, before: str) -> None:
    scopes = sorted((item.get("spec") or {}).get("scopes") or ())
    if scopes:
        page.add(f"{indent}Scopes:\t{', '.join(scopes)}")
    for scope in scopes:
        if scope in _SCOPES:
            page.add(f"{before}* {_SCOPES[scope]}")


def _used(item: Object) -> Iterator[str]:
    status = item.get("status") or {}
    used = status.get("used") or {}
    yield from (f"{name}\t{used.get(name, '0')}\t{hard}" for name, hard in sorted((status.get("hard") or {}).items()))


def limit_range(page: Page, item: Object) -> None:
    """Bounds and defaults of each kind of thing."""
    begin(page, item)
    _limits(page, [item], "")


def limit_ranges(page: Page, items: Sequence[Object]) -> None:
    """Those of a namespace."""
    if not items:
        page.add("\nNo LimitRange resource.")
        return
    page.add("\nResource Limits")
    _limits(page, items, " ")


def _limits(page: Page, items: Sequence[Object], indent: str) -> None:
    page.add(indent + "\t".join(_LIMITS))
    page.add(indent + "\t".join("-" * len(name) for name in _LIMITS))
    for limit in (one for item in items for one in item["spec"].get("limits") or ()):
        for resource in sorted({name for bound in _BOUNDS for name in limit.get(bound) or ()}):
            values = [(limit.get(bound) or {}).get(resource, "-") for bound in _BOUNDS]
            page.add(indent + "\t".join([limit["type"], resource, *values]))


def budget(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """A disruption budget."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    begin(page, item)
    if spec.get("minAvailable") is not None:
        page.field("Min available", spec["minAvailable"])
    elif spec.get("maxUnavailable") is not None:
        page.field("Max unavailable", spec["maxUnavailable"])
    page.field("Selector", label_text(spec.get("selector") or {}) or "<unset>")
    page.add("Status:")
    for name, key in (("Allowed disruptions", "disruptionsAllowed"), ("Current", "currentHealthy"),
                      ("Desired", "desiredHealthy"), ("Total", "expectedPods")):  # fmt: skip
        page.field(name, status.get(key, 0), 2)
    events_of(page, events)


def priority_class(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """A class of importance."""
    begin(page, item, namespaced=False)
    page.field("Value", item.get("value", 0))
    page.field("GlobalDefault", str(item.get("globalDefault", False)).lower())
    page.field("PreemptionPolicy", item.get("preemptionPolicy", ""))
    page.field("Description", item.get("description", ""))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    events_of(page, events)


def claim(page: Page, item: Object, events: Sequence[Object] | None, pods: Sequence[Object]) -> None:
    """A claim for a volume. ``pods``: of its namespace."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    volume = spec.get("volumeName", "")
    begin(page, item)
    page.field("StorageClass", spec.get("storageClassName", ""))
    page.field("Status", "Terminating" if meta.get("deletionTimestamp") else status.get("phase", ""))
    page.field("Volume", volume)
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    page.field("Finalizers", f"[{' '.join(meta.get('finalizers') or ())}]")
    page.field("Capacity", (status.get("capacity") or {}).get("storage", "") if volume else "")
    modes = [_MODES.get(one, one) for one in status.get("accessModes") or ()] if volume else []
    page.field("Access Modes", ",".join(modes))
    if spec.get("volumeMode"):
        page.field("VolumeMode", spec["volumeMode"])
    users = [pod["metadata"]["name"] for pod in pods if meta["name"] in _claims(pod)]
    page.several("Used By", users)
    events_of(page, events)


def _claims(pod: Object) -> Iterator[str]:
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if claim_ := volume.get("persistentVolumeClaim"):
            yield claim_["claimName"]
