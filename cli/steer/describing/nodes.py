"""Nodes, with what their pods ask for."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from api.scalars import Quantity
from cli.steer.describing.page import Object, Page, begin, events_of, since, when

_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
_ROLE = "node-role.kubernetes.io/"


def node(
    page: Page, item: Object, events: Sequence[Object] | None, pods: Sequence[Object], lease: Object | None
) -> None:
    """``pods``: those on it that have not ended."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    begin(page, item, namespaced=False)
    roles = sorted(key.removeprefix(_ROLE) for key in meta.get("labels") or {} if key.startswith(_ROLE))
    page.field("Roles", ",".join(roles) or "<none>")
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    page.field("CreationTimestamp", when(meta.get("creationTimestamp")))
    taints = [_taint(one) for one in spec.get("taints") or ()]
    page.several("Taints", sorted(taints))
    page.field("Unschedulable", str(bool(spec.get("unschedulable"))).lower())
    _lease(page, (lease or {}).get("spec"))
    if status.get("conditions"):
        page.add("Conditions:")
        page.add("Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage", 1)
        page.add("----\t------\t-----------------\t------------------\t------\t-------", 1)
        for one in status["conditions"]:
            times = f"{when(one.get('lastHeartbeatTime'))} \t{when(one.get('lastTransitionTime'))} "
            told = f"{one['type']} \t{one['status']} \t{times}\t{one.get('reason', '')} \t{one.get('message', '')}"
            page.add(told, 1)
    page.add("Addresses:")
    for one in status.get("addresses") or ():
        page.field(one["type"], one["address"], 1)
    for name in ("capacity", "allocatable"):
        if status.get(name):
            page.add(f"{name.title()}:")
            for key, value in sorted(status[name].items()):
                page.field(key, value, 1)
    page.add("System Info:")
    for title, key in _INFO:
        page.field(title, (status.get("nodeInfo") or {}).get(key, ""), 1)
    if spec.get("podCIDR"):
        page.field("PodCIDR", spec["podCIDR"])
    if spec.get("podCIDRs"):
        page.field("PodCIDRs", ",".join(spec["podCIDRs"]))
    if spec.get("providerID"):
        page.field("ProviderID", spec["providerID"])
    _pods(page, pods, status.get("allocatable") or status.get("capacity") or {})
    events_of(page, events)


def _taint(one: Object) -> str:
    value = f"={one['value']}" if one.get("value") else ""
    return f"{one['key']}{value}:{one['effect']}"


def _lease(page: Page, spec: Object | None) -> None:
    page.add("Lease:")
    if spec is None:
        page.field("", "Failed to get lease", 1)
        return
    page.field("HolderIdentity", spec.get("holderIdentity") or "<unset>", 1)
    page.field("AcquireTime", when(spec.get("acquireTime")), 1)
    page.field("RenewTime", when(spec.get("renewTime")), 1)


def _pods(page: Page, pods: Sequence[Object], room: Object) -> None:
    page.field("Non-terminated Pods", f"({len(pods)} in total)")
    page.add("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge", 1)
    page.add("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    for pod in pods:
        meta = pod["metadata"]
        asked = [
            _amount([pod], kind, resource, room) for resource in ("cpu", "memory") for kind in ("requests", "limits")
        ]
        age = since(meta.get("creationTimestamp"))
        page.add("\t".join([meta["namespace"], meta["name"], "", *asked, age]), 1)
    page.add("Allocated resources:")
    page.add("(Total limits may be over 100 percent, i.e., overcommitted.)", 1)
    page.add("Resource\tRequests\tLimits", 1)
    page.add("--------\t--------\t------", 1)
    for resource in ("cpu", "memory", "ephemeral-storage"):
        told = [_amount(pods, kind, resource, room) for kind in ("requests", "limits")]
        page.add("\t".join([resource, *told]), 1)


def _amount(pods: Iterable[Object], kind: str, resource: str, room: Object) -> str:
    total = sum((_asked(pod, kind, resource) for pod in pods), Decimal(0))
    has = Quantity(room[resource]).value if room.get(resource) else Decimal(0)
    share = int(100 * total / has) if has else 0
    return f"{_shown(total, resource)} ({share}%)"


def _asked(pod: Object, kind: str, resource: str) -> Decimal:
    """What all its containers ask for at once, or the greediest of the init containers."""

    def of(container: Object) -> Decimal:
        text = ((container.get("resources") or {}).get(kind) or {}).get(resource)
        return Quantity(text).value if text else Decimal(0)

    together = sum((of(one) for one in pod["spec"]["containers"]), Decimal(0))
    return max([together, *(of(one) for one in pod["spec"].get("initContainers") or ())])


def _shown(amount: Decimal, resource: str) -> str:
    if resource == "cpu":
        return str(Quantity(f"{int(amount * 1000)}m"))
    whole = int(amount)
    return str(Quantity(f"{whole // 1024}Ki")) if whole and whole % 1024 == 0 else str(whole)
