"""Replication controllers, replica sets and deployments."""

from collections.abc import Sequence

from cli.steer.describing.page import Object, Page, begin, events_of, when
from cli.steer.describing.pods import template
from cli.steer.selection import label_text


def _selector(selector: Object | None) -> str:
    return label_text(selector or {}) or "<none>"


def replicas(page: Page, item: Object, events: Sequence[Object] | None, pods: Sequence[Object]) -> None:
    """A replication controller or a replica set."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    begin(page, item)
    page.field("Selector", _selector(spec.get("selector")))
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    owner = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    if owner:
        page.field("Controlled By", f"{owner['kind']}/{owner['name']}")
    page.field("Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    page.field("Pods Status", pods_status(item, pods))
    template(page, spec["template"])
    if status.get("conditions"):
        _conditions(page, status["conditions"], reasons=True)
    events_of(page, events)


def pods_status(owner: Object, pods: Sequence[Object]) -> str:
    """Of those that it controls, by phase."""
    uid = owner["metadata"].get("uid")
    phases = [
        (pod.get("status") or {}).get("phase")
        for pod in pods
        if any(one.get("controller") and one.get("uid") == uid for one in pod["metadata"].get("ownerReferences") or ())
    ]
    counts = ((phases.count(phase), name) for phase, name in _PHASES)
    return " / ".join(f"{count} {name}" for count, name in counts)


_PHASES = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))


def _conditions(page: Page, found: Sequence[Object], *, reasons: bool) -> None:
    page.add("Conditions:")
    page.add("Type\tStatus\tReason" if reasons else "Type\tStatus", 1)
    page.add("----\t------\t------" if reasons else "----\t------", 1)
    for one in found:
        page.add(f"{one['type']} \t{one['status']}\t{one.get('reason', '')}", 1)


def deployment(page: Page, item: Object, events: Sequence[Object] | None, sets: Sequence[Object]) -> None:
    """``sets`` are the replica sets that it controls."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    begin(page, item)
    page.field("CreationTimestamp", when(meta.get("creationTimestamp")))
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    page.field("Selector", _selector(spec.get("selector")))
    wanted, there = spec.get("replicas", 1), status.get("replicas", 0)
    page.field(
        "Replicas",
        f"{wanted} desired | {status.get('updatedReplicas', 0)} updated | {there} total | "
        f"{status.get('availableReplicas', 0)} available | {status.get('unavailableReplicas', 0)} unavailable",
    )
    strategy = spec.get("strategy") or {}
    page.field("StrategyType", strategy.get("type", ""))
    page.field("MinReadySeconds", spec.get("minReadySeconds", 0))
    if rolling := strategy.get("rollingUpdate"):
        told = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        page.field("RollingUpdateStrategy", told)
    template(page, spec["template"])
    if status.get("conditions"):
        _conditions(page, status["conditions"], reasons=True)
    _sets(page, item, sets)
    events_of(page, events)


def _sets(page: Page, item: Object, sets: Sequence[Object]) -> None:
    revision = (item["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    newest: list[str] = []
    old: list[str] = []
    for one in sets:
        own = (one["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
        there, wanted = (one.get("status") or {}).get("replicas", 0), one["spec"].get("replicas", 0)
        told = f"{one['metadata']['name']} ({there}/{wanted} replicas created)"
        (newest if own == revision else old).append(told)
    page.field("OldReplicaSets", ", ".join(old) or "<none>")
    page.field("NewReplicaSet", ", ".join(newest) or "<none>")
