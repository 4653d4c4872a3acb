"""Pods, and the templates from which pods are made."""

from collections.abc import Sequence

from cli.steer.describing.containers import containers, tolerations, volumes
from cli.steer.describing.page import Object, Page, begin, events_of, since, when


def pod(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """A pod."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    begin(page, item)
    if spec.get("priority") is not None:
        page.field("Priority", spec["priority"])
        if spec.get("priorityClassName"):
            page.field("Priority Class Name", spec["priorityClassName"])
    if spec.get("serviceAccountName"):
        page.field("Service Account", spec["serviceAccountName"])
    page.field("Node", f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>")
    if status.get("startTime"):
        page.field("Start Time", when(status["startTime"]))
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    if meta.get("deletionTimestamp"):
        page.field("Status", f"Terminating (lasts {since(meta['deletionTimestamp'])})")
        page.field("Termination Grace Period", f"{meta.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.field("Status", status.get("phase", ""))
    for name in ("reason", "message"):
        if status.get(name):
            page.field(name.title(), status[name])
    page.field("IP", status.get("podIP", ""))
    _addresses(page, status.get("podIPs") or ())
    owner = next((one for one in meta.get("ownerReferences") or () if one.get("controller")), None)
    if owner:
        page.field("Controlled By", f"{owner['kind']}/{owner['name']}")
    if status.get("nominatedNodeName"):
        page.field("NominatedNodeName", status["nominatedNodeName"])
    for title, key, told in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(key):
            known = {one["name"]: one for one in status.get(told) or ()}
            containers(page, title, spec[key], known, ip=status.get("podIP", ""))
    if status.get("conditions"):
        page.add("Conditions:")
        page.add("Type\tStatus", 1)
        for one in status["conditions"]:
            page.add(f"{one['type']} \t{one['status']} ", 1)
    volumes(page, spec.get("volumes") or ())
    if status.get("qosClass"):
        page.field("QoS Class", status["qosClass"])
    page.labels("Node-Selectors", spec.get("nodeSelector"))
    tolerations(page, "Tolerations", spec.get("tolerations") or ())
    events_of(page, events)


def _addresses(page: Page, found: Sequence[Object]) -> None:
    if not found:
        page.field("IPs", "<none>")
        return
    page.add("IPs:")
    for one in found:
        page.field("IP", one["ip"], 1)


def template(page: Page, found: Object) -> None:
    """The template of a controller's pods."""
    meta, spec = found.get("metadata") or {}, found["spec"]
    page.add("Pod Template:")
    page.labels("  Labels", meta.get("labels"))
    if meta.get("annotations"):
        page.annotations("  Annotations", meta["annotations"])
    if spec.get("serviceAccountName"):
        page.field("  Service Account", spec["serviceAccountName"])
    if spec.get("initContainers"):
        containers(page, "Init Containers", spec["initContainers"], None, "  ")
    containers(page, "Containers", spec["containers"], None, "  ")
    volumes(page, spec.get("volumes") or (), "  ")
    if spec.get("priorityClassName"):
        page.field("  Priority Class Name", spec["priorityClassName"])
    page.labels("  Node-Selectors", spec.get("nodeSelector"))
    tolerations(page, "  Tolerations", spec.get("tolerations") or ())
