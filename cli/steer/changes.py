"""Changes of what was got, shown as a watch tells of them."""

from collections.abc import Callable

import msgspec

from api.errors import ApiError, from_status
from api.meta import Status
from cli.steer.drawing import TABLE, Drawing, Wanted
from cli.steer.failures import Failure
from cli.steer.output.gojson import go_json
from cli.steer.output.printing import object_name, printer
from cli.steer.selection import Chosen
from cli.steer.session import Object, Session, listing


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


def watch(session: Session, one: Chosen, wanted: Wanted, *, first: bool) -> None:
    """Until the server ends it or the user does. Raises Failure and ApiError."""
    if wanted.form not in ("", "wide", "name", "json", "yaml"):
        raise Failure(f"--watch shows tables, names, json and yaml, not {wanted.form!r}")
    as_table = wanted.form in ("", "wide")
    space = session.space(one.kind, everywhere=wanted.everywhere)
    fields = f"metadata.name={one.names[0]}" if one.names else wanted.fields
    with listing(one.kind, wanted.labels, fields):
        listed = session.call(
            "GET", one.kind.path(space), query={"labelSelector": wanted.labels, "fieldSelector": fields},
            accept=TABLE if as_table else "",
        )  # fmt: skip
    drawing = Drawing(one, wanted)
    if one.names and not (listed.get("rows") or listed.get("items")):
        raise Failure(f'Error from server (NotFound): {one.kind.plural} "{one.names[0]}" not found', prefix="")
    show = None if as_table else _objects(one, wanted)
    if first and show is None and listed.get("rows"):
        drawing.show(listed["columnDefinitions"], listed["rows"], "ADDED")
    elif first and show is not None:
        for item in listed.get("items") or []:
            full = {"apiVersion": one.kind.api_version, "kind": one.kind.kind, **item}
            show("ADDED", full)
    columns = listed.get("columnDefinitions") or []
    stream = session.transport.stream(
        one.kind.path(space),
        query={
            "watch": True, "labelSelector": wanted.labels, "fieldSelector": fields,
            "resourceVersion": listed["metadata"]["resourceVersion"],
        },
        accept=TABLE if as_table else "",
    )  # fmt: skip
    for line in stream.lines():
        event = msgspec.json.decode(line, type=_Event)
        if event.type == "ERROR":
            raise _error(bytes(event.object))
        item = msgspec.json.decode(event.object)
        if event.type == "BOOKMARK":
            continue
        if show is not None:
            show(event.type, item)
        elif item.get("rows"):
            columns = item.get("columnDefinitions") or columns
            drawing.show(columns, item["rows"], event.type)


def _objects(one: Chosen, wanted: Wanted) -> Callable[[str, Object], None]:
    """Shows a whole object, and what happened to it where that is asked for; a name stays a name, as with kubectl."""
    plain = printer(wanted.form, name_of=lambda item: object_name(one.kind, item), as_one=True)

    begun = False

    def show(event: str, item: Object) -> None:
        nonlocal begun
        if begun and wanted.form == "yaml":
            print("---")
        begun = True
        if not wanted.watch_events or wanted.form == "name":
            plain([item])
        elif wanted.form == "json":
            # One line for each, which a program reads as it comes.
            print(f'{{"type":"{event}","object":{go_json(item)}}}', flush=True)
        else:
            plain([{"type": event, "object": item}])

    return show


def _error(data: bytes) -> ApiError:
    return from_status(msgspec.json.decode(data, type=Status))
