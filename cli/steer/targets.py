"""The objects that a verb changes one by one: named, chosen by a selector, or written in files."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, manifests
from cli.steer.selection import chosen
from cli.steer.session import Session

WHICH = (
    *FILES,
    click.option("-l", "--selector", default="", help="Label selector."),
    click.option("--field-selector", default="", help="Field selector."),
    click.option("--all", "everything", is_flag=True, help="All resources of the types in the namespace."),
)


def targets(session: Session, words: Sequence[str], flags: dict[str, Any]) -> Iterator[Manifest]:
    """As they are on the server now. Raises Failure."""
    if flags.get("filename"):
        for item in manifests(session, flags["filename"], recursive=flags.get("recursive", False)):
            yield Manifest(session.get(item.kind, item.name, item.namespace(session)), item.kind, item.source)
        return
    for one in chosen(session, words):
        space = session.space(one.kind)
        labels, fields = flags.get("selector") or "", flags.get("field_selector") or ""
        if one.names:
            for name in one.names:
                yield Manifest(session.get(one.kind, name, space), one.kind, "")
        elif labels or fields or flags.get("everything"):
            for found in session.list(one.kind, space, labels=labels, fields=fields):
                yield Manifest(found, one.kind, "")
        else:
            raise Failure("resource(s) were provided, but no name was specified")


def query(dry_run: str, manager: str) -> dict[str, str]:
    """Of a write."""
    return {"fieldManager": manager, "dryRun": "All" if dry_run == "server" else ""}
