"""`steer events`: what happened, the oldest first; of one object, of some types, and as it comes."""

import sys
from typing import Any

import click
import msgspec

from cli.steer.describing.page import age, last_seen
from cli.steer.failures import Failure
from cli.steer.output.flags import OUTPUT
from cli.steer.output.printing import object_name, printer
from cli.steer.output.table import Table
from cli.steer.session import Object, Session, with_session
from cli.steer.writing import options

_TYPES = ("Normal", "Warning")


@click.command("events")
@options(OUTPUT)
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--for", "about", default="", help="Only of one object, as TYPE/NAME.")
@click.option("--types", default="", help="Only Normal, or only Warning.")
@click.option("-w", "--watch", is_flag=True, help="After listing, print more as they come.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@with_session
def command(session: Session, **flags: Any) -> None:
    """List events."""
    types = [one for one in flags["types"].split(",") if one]
    if any(one not in _TYPES for one in types):
        raise Failure("valid --types are Normal or Warning")
    space = "" if flags["all_namespaces"] else session.namespace
    fields, about = _fields(session, flags["about"])
    kind = session.discovery.find("events.v1")
    listed = session.call("GET", kind.path(space), query={"fieldSelector": fields})
    found = [
        {"apiVersion": kind.api_version, "kind": kind.kind, **one}
        for one in listed.get("items") or ()
        if _fits(one, types, about)
    ]
    if not found and not flags["watch"]:
        print(f"No events found in {space} namespace." if space else "No events found.", file=sys.stderr)
        return
    if flags["output"]:
        show = printer(flags["output"], name_of=lambda one: object_name(kind, one), as_one=False)
        show(sorted(found, key=_moment))
        return
    head = [*(["NAMESPACE"] if not space else []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    table = Table(head, headers=not flags["no_headers"])
    table.print([_row(one, with_space=not space) for one in sorted(found, key=_moment)])
    if not flags["watch"]:
        return
    query = {"watch": True, "fieldSelector": fields, "resourceVersion": listed["metadata"]["resourceVersion"]}
    for line in session.transport.stream(kind.path(space), query=query).lines():
        event = msgspec.json.decode(line)
        if event["type"] in ("ADDED", "MODIFIED") and _fits(event["object"], types, about):
            table.print([_row(event["object"], with_space=not space)])


def _fields(session: Session, text: str) -> tuple[str, str]:
    """Of TYPE/NAME a field selector, and the kind with its group. Raises Failure."""
    if not text:
        return "", ""
    word, slash, name = text.partition("/")
    if not (slash and name):
        raise Failure("--for must be in resource/name form")
    try:
        kind = session.discovery.find(word)
    except Failure as error:
        raise Failure(str(error).removeprefix("error: "), prefix="") from error
    return f"involvedObject.name={name},involvedObject.kind={kind.kind}", kind.group


def _fits(event: Object, types: list[str], group: str) -> bool:
    version = (event.get("involvedObject") or {}).get("apiVersion", "")
    same_group = not group or not version or version.partition("/")[0] == group
    return same_group and (not types or event.get("type") in types)


def _moment(event: Object) -> str:
    return last_seen(event) or ""


def _row(event: Object, *, with_space: bool) -> list[str]:
    about = event.get("involvedObject") or {}
    row = [age(event), event.get("type", ""), event.get("reason", ""), f"{about.get('kind')}/{about.get('name')}"]
    return [*([event["metadata"]["namespace"]] if with_space else []), *row, event.get("message", "").strip()]
