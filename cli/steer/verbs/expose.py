"""`steer expose TYPE NAME`: a service for what a controller, pod or service has."""

from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import query, targets
from cli.steer.writing import DRY_RUN, options, outcome

_KINDS = ("deployments", "pods", "replicasets", "replicationcontrollers", "services")


@click.command("expose")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(FILES)
@click.option("--port", type=int, default=0, help="The service's port; the container's when not said.")
@click.option("--target-port", default="", help="Number or name of the pods' port.")
@click.option("--protocol", default="", help="TCP, UDP or SCTP.")
@click.option("--type", "type_", default="", help="ClusterIP, NodePort, LoadBalancer or ExternalName.")
@click.option("--name", default="", help="The service's name; that of the object when not said.")
@click.option("--selector", default="", help="Labels of the pods; those of the object when not said.")
@click.option("-l", "--labels", default="", help="Labels of the service.")
@click.option("--cluster-ip", default="", help="The address; None for none.")
@click.option("--external-ip", default="", help="A further address.")
@click.option("--load-balancer-ip", default="", help="The address that a balancer should have.")
@click.option("--session-affinity", default="", help="None or ClientIP.")
@options(DRY_RUN)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Take a controller, service or pod and expose it as a new service."""
    for item in targets(session, words, flags):
        kind = session.discovery.find("services")
        if item.kind.plural not in _KINDS:
            raise Failure(f"cannot expose a {item.kind.kind}")
        space = session.space(kind)
        wanted = service(item.document, flags)
        if flags["dry_run"] == "client":
            wanted["metadata"]["namespace"] = space
            made = wanted
        else:
            asks = query(flags["dry_run"], "steer-expose")
            made = session.call("POST", kind.path(space), query=asks, body=wanted)
        outcome(Manifest(made, kind, ""), "exposed", made, form=flags["output"], dry_run=flags["dry_run"])


def service(found: Object, flags: dict[str, Any]) -> Object:
    """The service for an object. Raises Failure."""
    name = flags["name"] or found["metadata"]["name"]
    labels = pairs(flags["labels"]) if flags["labels"] else found["metadata"].get("labels") or {}
    spec: Object = {"ports": _ports(found, flags), "selector": _selector(found, flags["selector"])}
    for field, flag in (
        ("type", "type_"),
        ("clusterIP", "cluster_ip"),
        ("loadBalancerIP", "load_balancer_ip"),
        ("sessionAffinity", "session_affinity"),
    ):
        if flags[flag]:
            spec[field] = flags[flag]
    if flags["external_ip"]:
        spec["externalIPs"] = [flags["external_ip"]]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": spec}


def pairs(text: str) -> dict[str, str]:
    """``a=b,c=d``. Raises Failure."""
    found = [one.partition("=") for one in text.split(",") if one]
    if any(not equals for _, equals, _ in found):
        raise Failure(f"unexpected label spec: {text}")
    return {key: value for key, _, value in found}


def _selector(found: Object, said: str) -> dict[str, str]:
    if said:
        return pairs(said)
    if found["kind"] == "Pod":
        labels: dict[str, str] = found["metadata"].get("labels") or {}
        if not labels:
            raise Failure("couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and "
                          "cannot be exposed")  # fmt: skip
        return labels
    selector = found["spec"].get("selector") or {}
    if selector.get("matchExpressions"):
        raise Failure(
            "couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions - "
            f'"{selector["matchExpressions"]}" to map-based selector format'
        )
    plain: dict[str, str] = selector.get("matchLabels", selector) or {}
    if not plain:
        raise Failure("couldn't retrieve selectors via --selector flag or introspection: no selector")
    return plain


def _ports(found: Object, flags: dict[str, Any]) -> list[Object]:
    known = _known_ports(found)
    if not flags["port"] and not known:
        raise Failure("couldn't find port via --port flag or introspection")
    chosen = [{"port": flags["port"], "protocol": _protocol(known, flags["port"])}] if flags["port"] else known
    several = len(chosen) > 1
    ports = []
    for index, one in enumerate(chosen, 1):
        target: int | str = flags["target_port"] or one["port"]
        if isinstance(target, str) and target.isdigit():
            target = int(target)
        protocol = flags["protocol"] or one["protocol"]
        name = {"name": f"port-{index}"} if several else {}
        ports.append({**name, "port": one["port"], "protocol": protocol, "targetPort": target})
    return ports


def _protocol(known: list[Object], port: int) -> str:
    return next((str(one["protocol"]) for one in known if one["port"] == port), "TCP")


def _known_ports(found: Object) -> list[Object]:
    """Port and protocol, as the object has them."""
    if found["kind"] == "Service":
        ports = found["spec"].get("ports") or []
        return [{"port": one["port"], "protocol": one.get("protocol", "TCP")} for one in ports]
    spec = found["spec"] if found["kind"] == "Pod" else found["spec"]["template"]["spec"]
    return [
        {"port": port["containerPort"], "protocol": port.get("protocol", "TCP")}
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
    ]
