"""`steer create service clusterip|nodeport|loadbalancer|externalname`."""

import re
from collections.abc import Callable
from typing import Any

import click

from cli.steer.creating.making import Build, Made, maker, meta
from cli.steer.failures import Failure
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TCP = click.option("--tcp", multiple=True, help="A port, or port and target port as 80:8080; again for more.")


@click.group("service")
@with_common
def service() -> None:
    """Create a service using a specified subcommand."""


def _made(session: Session, name: str, kind: str, tcp: tuple[str, ...], **spec: Any) -> Object:
    ports = [_port(one, spec.pop("node_port", 0)) for pairs in tcp for one in pairs.split(",")]
    labels = {"app": name}
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": meta(session, name, labels=labels),
        "spec": {**({"ports": ports} if ports else {}), "selector": labels, **_cluster_ip(spec), "type": kind, **spec},
        "status": {"loadBalancer": {}},
    }


def _cluster_ip(spec: dict[str, Any]) -> dict[str, str]:
    """In its place among the fields."""
    found = spec.pop("clusterIP", "")
    return {"clusterIP": found} if found else {}


def _port(text: str, node_port: int) -> Object:
    """Of ``80`` or ``80:8080`` or ``80:web``. Raises Failure."""
    port, colon, target = text.partition(":")
    to: int | str = int(target) if target.isascii() and target.isdigit() else target
    made: Object = {"name": f"{port}-{target}" if colon else port, "protocol": "TCP", "port": _number(port)}
    made["targetPort"] = to if colon else made["port"]
    return {**made, "nodePort": node_port} if node_port else made


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Failure(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 65535:
        raise Failure(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _needs_a_port(flags: dict[str, Any]) -> None:
    if not flags["tcp"]:
        raise Failure("at least one tcp port specifier must be provided")


def _maker(verb: str, kind: str, *flags: Any) -> Callable[[Build], click.Command]:
    needed = ("external_name",) if kind == "ExternalName" else ()
    made = Made("services", refused=f"{kind} service:", required=needed)
    return maker(verb, made, f"Create a {kind} service.", _TCP, *flags)


@_maker("clusterip", "ClusterIP", click.option("--clusterip", default="", help="The address; None for none."))
def _clusterip(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if flags["clusterip"] != "None":
        _needs_a_port(flags)
    return _made(session, name, "ClusterIP", flags["tcp"], clusterIP=flags["clusterip"])


@_maker("nodeport", "NodePort", click.option("--node-port", type=int, default=0, help="The port on each node."))
def _nodeport(session: Session, name: str, flags: dict[str, Any]) -> Object:
    _needs_a_port(flags)
    return _made(session, name, "NodePort", flags["tcp"], node_port=flags["node_port"])


@_maker("loadbalancer", "LoadBalancer")
def _loadbalancer(session: Session, name: str, flags: dict[str, Any]) -> Object:
    _needs_a_port(flags)
    return _made(session, name, "LoadBalancer", flags["tcp"])


@_maker("externalname", "ExternalName", click.option("--external-name", default="", help="The name outside."))
def _externalname(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if not _DOMAIN.fullmatch(flags["external_name"]):
        raise Failure(f"invalid service external name {flags['external_name']}")
    return _made(session, name, "ExternalName", flags["tcp"], externalName=flags["external_name"])


for _one in (_clusterip, _nodeport, _loadbalancer, _externalname):
    service.add_command(_one)
