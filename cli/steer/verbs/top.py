"""`steer top nodes` and `steer top pods`, from metrics.k8s.io."""

from typing import Any

import click

from api.errors import NotFound
from api.scalars import Quantity
from cli.steer.failures import Failure
from cli.steer.output.table import Table
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session, with_session

_ROOT = "/apis/metrics.k8s.io/v1beta1"


@click.group("top")
@with_common
def command() -> None:
    """Display resource (CPU/memory) usage of nodes or pods."""


@command.command("nodes")
@click.argument("name", required=False, default="")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@with_session
def nodes(session: Session, name: str, selector: str, no_headers: bool) -> None:
    """Display resource (CPU/memory) usage of nodes."""
    kind = session.discovery.find("nodes")
    room = {node["metadata"]["name"]: node["status"].get("allocatable") or {} for node in session.list(kind, "")}
    rows = []
    for item in sorted(_metrics(session, "nodes", name, selector), key=lambda item: item["metadata"]["name"]):
        cpu, memory = _millis(item["usage"]["cpu"]), _mebi(item["usage"]["memory"])
        has = room.get(item["metadata"]["name"], {})
        rows.append([
            item["metadata"]["name"], f"{cpu}m", _percent(cpu, _millis(has.get("cpu", "0"))),
            f"{memory}Mi", _percent(memory, _mebi(has.get("memory", "0"))),
        ])  # fmt: skip
    Table(["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], headers=not no_headers).print(rows)


@command.command("pods")
@click.argument("name", required=False, default="")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--containers", is_flag=True, help="Each container by itself.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@with_session
def pods(session: Session, name: str, selector: str, all_namespaces: bool, containers: bool, no_headers: bool) -> None:
    """Display resource (CPU/memory) usage of pods."""
    where = "pods" if all_namespaces else f"namespaces/{session.namespace}/pods"
    rows = []
    for item in _metrics(session, where, name, selector):
        space = [item["metadata"]["namespace"]] if all_namespaces else []
        used = [
            (one["name"], _millis(one["usage"]["cpu"]), _mebi(one["usage"]["memory"])) for one in item["containers"]
        ]
        if containers:
            rows += [[*space, item["metadata"]["name"], one, f"{cpu}m", f"{memory}Mi"] for one, cpu, memory in used]
        else:
            cpu, memory = sum(one[1] for one in used), sum(one[2] for one in used)
            rows.append([*space, item["metadata"]["name"], f"{cpu}m", f"{memory}Mi"])
    head = [*(["NAMESPACE"] if all_namespaces else []), *(["POD"] if containers else ["NAME"])]
    head += [*(["NAME"] if containers else []), "CPU(cores)", "MEMORY(bytes)"]
    Table(head, headers=not no_headers).print(sorted(rows))


command.add_command(nodes, "node")
command.add_command(pods, "pod")


def _metrics(session: Session, where: str, name: str, selector: str) -> list[Object]:
    try:
        session.call("GET", _ROOT)
    except NotFound as error:
        raise Failure("Metrics API not available") from error
    found: Any = session.call("GET", f"{_ROOT}/{where}{f'/{name}' if name else ''}", query={"labelSelector": selector})
    return [found] if name else found.get("items") or []


def _millis(text: str) -> int:
    return Quantity(text).millis


def _mebi(text: str) -> int:
    return Quantity(text).units // 2**20


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // whole}%" if whole else "<unknown>"
