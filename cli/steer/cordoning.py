"""Marks nodes as schedulable or not."""

import click

from cli.steer.failures import Failure
from cli.steer.session import Session, with_session
from cli.steer.writing import ONLY_DRY, options, tried


def verb(name: str, *, unschedulable: bool) -> click.Command:
    """The click command for one of the two directions."""

    @click.command(name, help=f"Mark nodes as {'un' * unschedulable}schedulable.")
    @click.argument("nodes", nargs=-1, metavar="NODE…")
    @click.option("-l", "--selector", default="", help="Label selector of the nodes.")
    @options(ONLY_DRY)
    @with_session
    def command(session: Session, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
        for node in chosen_nodes(session, nodes, selector, verb=name):
            mark(session, node, unschedulable=unschedulable, dry_run=dry_run)

    return command


def chosen_nodes(session: Session, nodes: tuple[str, ...], selector: str, *, verb: str) -> list[str]:
    """Those named, or those that the selector finds. Raises Failure."""
    if bool(nodes) == bool(selector):
        raise Failure("error: cannot specify both a node name and a --selector option" if nodes else
                      f"USAGE: {verb} NODE [flags]\nSee 'steer {verb} -h' for help and examples")  # fmt: skip
    if nodes:
        return [name.removeprefix("node/").removeprefix("nodes/") for name in nodes]
    return [node["metadata"]["name"] for node in session.list(session.discovery.find("nodes"), "", labels=selector)]


def mark(session: Session, name: str, *, unschedulable: bool, dry_run: str) -> None:
    """Says what came of it."""
    kind = session.discovery.find("nodes")
    there = bool(session.get(kind, name, "").get("spec", {}).get("unschedulable"))
    word = "cordoned" if unschedulable else "uncordoned"
    if there == unschedulable:
        print(f"node/{name} already {word}{tried(dry_run)}")
        return
    if dry_run != "client":
        asks = {"dryRun": "All" if dry_run == "server" else ""}
        session.patch(kind, name, "", {"spec": {"unschedulable": unschedulable or None}}, form="merge", query=asks)
    print(f"node/{name} {word}{tried(dry_run)}", flush=True)
