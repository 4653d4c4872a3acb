"""`steer top nodes` and `steer top pods`, from metrics.k8s.io."""

import sys
from collections.abc import Callable
from typing import Any

import click

from api.errors import NotFound
from api.scalars import Quantity
from cli.steer.failures import Failure
from cli.steer.output.table import Table
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session, with_session

_ROOT = "/apis/metrics.k8s.io/v1beta1"
_SORT_BY = click.option("--sort-by", default="", help="By cpu or memory, the most first; by name when not said.")


@click.group("top")
@with_common
def command() -> None:
    """Display resource (CPU/memory) usage of nodes or pods."""


@command.command("nodes")
@click.argument("name", required=False, default="")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@_SORT_BY
@with_session
def nodes(session: Session, name: str, selector: str, no_headers: bool, sort_by: str) -> None:
    """Display resource (CPU/memory) usage of nodes."""
    kind = session.discovery.find("nodes")
    room = {node["metadata"]["name"]: node["status"].get("allocatable") or {} for node in session.list(kind, "")}
    rows = []
    order = _order(sort_by, lambda item: [item["usage"]])
    if name and selector:
        raise Failure("only one of NAME or --selector can be provided")
    found = _metrics(session, "nodes", name, selector)
    if not found:
        raise Failure("metrics not available yet")
    for item in sorted(found, key=order):
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
@click.option("--field-selector", default="", help="Field selector, as 'metadata.name=web'.")
@click.option("--sum", "summed", is_flag=True, help="With a line of the sums.")
@_SORT_BY
@with_session
def pods(
    session: Session, name: str, selector: str, all_namespaces: bool, containers: bool, no_headers: bool,
    field_selector: str, summed: bool, sort_by: str,
) -> None:  # fmt: skip
    """Display resource (CPU/memory) usage of pods."""
    where = "pods" if all_namespaces else f"namespaces/{session.namespace}/pods"
    rows = []
    order = _order(sort_by, _of_containers)
    if name and (selector or field_selector):
        raise Failure("only one of NAME or selector can be provided")
    found = _metrics(session, where, name, selector)
    if field_selector or not found:
        found = _of_pods(session, found, "" if all_namespaces else session.namespace, selector, field_selector)
    if not found:
        print("No resources found" + ("" if all_namespaces else f" in {session.namespace} namespace."), file=sys.stderr)
        return
    all_cpu = all_memory = 0
    for item in sorted(found, key=order):
        space = [item["metadata"]["namespace"]] if all_namespaces else []
        used = [
            (one["name"], _millis(one["usage"]["cpu"]), _mebi(one["usage"]["memory"])) for one in item["containers"]
        ]
        all_cpu, all_memory = all_cpu + sum(one[1] for one in used), all_memory + sum(one[2] for one in used)
        if containers:
            used.sort(key=lambda one: -one[1 if sort_by == "cpu" else 2] if sort_by else 0)
            rows += [[*space, item["metadata"]["name"], one, f"{cpu}m", f"{memory}Mi"] for one, cpu, memory in used]
        else:
            cpu, memory = sum(one[1] for one in used), sum(one[2] for one in used)
            rows.append([*space, item["metadata"]["name"], f"{cpu}m", f"{memory}Mi"])
    head = [*(["NAMESPACE"] if all_namespaces else []), *(["POD"] if containers else ["NAME"])]
    head += [*(["NAME"] if containers else []), "CPU(cores)", "MEMORY(bytes)"]
    Table(head, headers=not no_headers).print(rows if not summed else [*rows, *_sums(len(head), all_cpu, all_memory)])


command.add_command(nodes, "node")
command.add_command(pods, "pod")


def _of_pods(session: Session, metrics: list[Object], space: str, selector: str, fields: str) -> list[Object]:
    """Those of the pods with such fields: usage itself has none but its name. Raises Failure when pods have none."""
    there = {_key(pod) for pod in session.list(session.discovery.find("pods"), space, labels=selector, fields=fields)}
    found = [item for item in metrics if _key(item) in there]
    if there and not found:
        raise Failure("metrics not available yet")
    return found


def _of_containers(item: Object) -> list[Object]:
    return [one["usage"] for one in item["containers"]]


def _order(sort_by: str, usages: Callable[[Object], list[Object]]) -> Callable[[Object], tuple[int, str, str]]:
    """The most used first, else by namespace and name. Raises Failure."""
    if sort_by not in ("", "cpu", "memory"):
        raise Failure("--sort-by accepts only cpu or memory")
    amount = _millis if sort_by == "cpu" else _bytes

    def key(item: Object) -> tuple[int, str, str]:
        meta = item["metadata"]
        used = -sum(amount(one[sort_by]) for one in usages(item)) if sort_by else 0
        return used, meta.get("namespace", ""), meta["name"]

    return key


def _sums(columns: int, cpu: int, memory: int) -> list[list[str]]:
    blank = [""] * (columns - 2)
    return [[*blank, "________", "________"], [*blank, f"{cpu}m", f"{memory}Mi"]]


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _metrics(session: Session, where: str, name: str, selector: str) -> list[Object]:
    try:
        session.call("GET", _ROOT)
    except NotFound as error:
        raise Failure("Metrics API not available") from error
    found: Any = session.call("GET", f"{_ROOT}/{where}{f'/{name}' if name else ''}", query={"labelSelector": selector})
    return [found] if name else found.get("items") or []


def _millis(text: str) -> int:
    return Quantity(text).millis


def _bytes(text: str) -> int:
    return Quantity(text).units


def _mebi(text: str) -> int:
    return Quantity(text).units // 2**20


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // whole}%" if whole else "<unknown>"
