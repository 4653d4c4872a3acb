"""Services and endpoints."""

from collections.abc import Sequence

from cli.steer.describing.page import Object, Page, begin, events_of
from cli.steer.selection import label_text

_SHOWN = 3


def service(page: Page, item: Object, events: Sequence[Object] | None, slices: Sequence[Object]) -> None:
    """``slices``: its EndpointSlices."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    begin(page, item)
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    page.field("Selector", label_text(spec.get("selector") or {}) or "<none>")
    page.field("Type", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        page.field("IP Family Policy", spec["ipFamilyPolicy"])
    page.field("IP Families", ",".join(spec.get("ipFamilies") or ()) or "<none>")
    page.field("IP", spec.get("clusterIP", ""))
    page.field("IPs", ",".join(spec.get("clusterIPs") or ()) or "<none>")
    if spec.get("externalIPs"):
        page.field("External IPs", ",".join(spec["externalIPs"]))
    if spec.get("loadBalancerIP"):
        page.field("Desired LoadBalancer IP", spec["loadBalancerIP"])
    if spec.get("externalName"):
        page.field("External Name", spec["externalName"])
    if ingress := (status.get("loadBalancer") or {}).get("ingress"):
        page.field("LoadBalancer Ingress", ", ".join(_ingress(one) for one in ingress))
    for port in spec.get("ports") or ():
        name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
        page.add(f"Port:\t{name}\t{port['port']}/{protocol}")
        page.field("TargetPort", f"{port.get('targetPort', port['port'])}/{protocol}")
        if port.get("nodePort"):
            page.add(f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
        page.field("Endpoints", _endpoints(slices, port.get("name") or ""))
    page.field("Session Affinity", spec.get("sessionAffinity", ""))
    for name, key in (
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
    ):
        if spec.get(key):
            page.field(name, spec[key])
    if spec.get("healthCheckNodePort"):
        page.field("HealthCheck NodePort", spec["healthCheckNodePort"])
    if spec.get("loadBalancerSourceRanges"):
        page.field("LoadBalancer Source Ranges", ",".join(spec["loadBalancerSourceRanges"]))
    events_of(page, events)


def _ingress(one: Object) -> str:
    mode = f" ({one['ipMode']})" if one.get("ipMode") else ""
    return f"{one.get('ip') or one.get('hostname')}{mode}"


def _endpoints(slices: Sequence[Object], port: str) -> str:
    found = [
        f"{address}:{one['port']}"
        for slice_ in slices
        for one in slice_.get("ports") or ()
        if (one.get("name") or "") == port and one.get("port")
        for endpoint in slice_.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    ]
    if len(found) > _SHOWN:
        return f"{','.join(found[:_SHOWN])} + {len(found) - _SHOWN} more..."
    return ",".join(found)


def endpoints(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """Endpoints, subset by subset."""
    begin(page, item)
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    page.add("Subsets:")
    for subset in item.get("subsets") or ():
        for name, key in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            page.field(name, ",".join(one["ip"] for one in subset.get(key) or ()) or "<none>", 1)
        if subset.get("ports"):
            page.add("Ports:", 1)
            page.add("Name\tPort\tProtocol", 2)
            page.add("----\t----\t--------", 2)
            for port in subset["ports"]:
                page.add(f"{port.get('name') or '<unset>'}\t{port['port']}\t{port.get('protocol', 'TCP')}", 2)
        page.add("")
    events_of(page, events)
