"""`steer get`: the server draws the tables, so that every kind has its own columns."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from api.errors import NotFound
from cli.steer.describing.page import since
from cli.steer.drawing import TABLE, Drawing, Wanted
from cli.steer.failures import Failure, Several, told
from cli.steer.files import FILES
from cli.steer.manifests import manifests
from cli.steer.output.flags import TABLE_OUTPUT
from cli.steer.output.jsonpath import PathError, path
from cli.steer.output.printing import object_name, printer
from cli.steer.selection import Chosen, chosen
from cli.steer.session import PAGE, Object, Session, listing, with_session
from cli.steer.writing import options

_NOTHING_SAID = """\
You must specify the type of resource to get. Use "steer api-resources" for a complete list of supported resources.

error: Required resource not specified.
Use "steer explain <resource>" for a detailed description of that resource (e.g. steer explain pods).
See 'steer get -h' for help and examples"""


@click.command("get")
@click.argument("words", nargs=-1, metavar="TYPE[,TYPE…] [NAME…] | TYPE/NAME…")
@options(TABLE_OUTPUT, FILES)
@click.option("-A", "--all-namespaces", is_flag=True, help="List across all namespaces.")
@click.option("-l", "--selector", default="", help="Label selector, as 'a=b,c in (d,e),!f'.")
@click.option("--field-selector", default="", help="Field selector, as 'status.phase=Running'.")
@click.option("-w", "--watch", is_flag=True, help="After listing, watch for changes.")
@click.option("--watch-only", is_flag=True, help="Watch for changes, without listing first.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@click.option("--show-labels", is_flag=True, help="Show all labels as the last column.")
@click.option("-L", "--label-columns", multiple=True, help="Labels that are shown as columns.")
@click.option("--show-kind", is_flag=True, help="List the resource type with the name.")
@click.option("--sort-by", default="", help="Sort by a field, as '.metadata.name'.")
@click.option("--ignore-not-found", is_flag=True, help="Succeed without output when nothing is found.")
@click.option("--chunk-size", type=int, default=PAGE, help="How many objects are asked for at once; 0: all.")
@click.option("--subresource", default="", help="The subresource of the named objects, as status or scale.")
@click.option("--server-print/--no-server-print", default=True, help="Tables with the server's columns.")
@click.option("--output-watch-events", is_flag=True, help="With --watch: which kind of change each is.")
@click.option("--raw", default="", help="A path on the server, whose answer is printed as it is.")
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Display one or many resources."""
    if flags["raw"]:
        if flags["output"]:
            raise Failure("--raw and --output are mutually exclusive")
        sys.stdout.write(session.transport.request("GET", flags["raw"], accept="*/*").decode(errors="replace"))
        return
    if flags["filename"]:
        items = list(manifests(session, flags["filename"], recursive=flags["recursive"]))
        what = [Chosen(item.kind, (item.name,)) for item in items]
    elif words:
        what = chosen(session, words)
    else:
        raise Failure(_NOTHING_SAID, prefix="")
    wanted = Wanted(
        labels=flags["selector"], fields=flags["field_selector"], everywhere=flags["all_namespaces"],
        form=flags["output"], headers=not flags["no_headers"],
        show_labels=flags["show_labels"],
        label_columns=tuple(label for one in flags["label_columns"] for label in one.split(",")),
        show_kind=flags["show_kind"], sort_by=flags["sort_by"], ignore_missing=flags["ignore_not_found"],
        chunk_size=flags["chunk_size"], subresource=flags["subresource"], server_print=flags["server_print"],
        watch_events=flags["output_watch_events"],
    )  # fmt: skip
    if any(one.names for one in what) and (wanted.labels or wanted.fields):
        raise Failure("name cannot be provided when a selector is specified")
    if any(one.names for one in what) and wanted.everywhere:
        raise Failure("a resource cannot be retrieved by name across all namespaces")
    if wanted.subresource and any(not one.names for one in what):
        raise Failure("subresource cannot be used when bulk resources are specified")
    if wanted.watch_events and not (flags["watch"] or flags["watch_only"]):
        raise Failure("--output-watch-events option can only be used with --watch or --watch-only")
    if flags["watch"] or flags["watch_only"]:
        if len(what) != 1 or len(what[0].names) > 1:
            raise Failure("watch is only supported on individual resources and resource collections - more than 1 "
                          "resource was found")  # fmt: skip
        from cli.steer.changes import watch

        watch(session, what[0], wanted, first=not flags["watch_only"])
    elif wanted.form in ("", "wide"):
        _tables(session, what, wanted)
    else:
        # One file is one thing to kubectl: where something of it is missing, nothing of it is shown.
        one_file = len(flags["filename"]) == 1 and not Path(str(flags["filename"][0])).is_dir()
        _objects(session, what, wanted, whole=one_file or (len(what) == 1 and len(what[0].names) == 1))


# Whole objects.


def _objects(session: Session, what: list[Chosen], wanted: Wanted, *, whole: bool) -> None:
    names = {one.kind.kind: one.kind for one in what}
    show = printer(
        wanted.form,
        name_of=lambda item: object_name(names.get(item["kind"]), item),
        as_one=whole and len(what) == 1,
        headers=wanted.headers,
    )
    missing: list[str] = []
    found = _sorted([item for one in what for item in _each(session, one, wanted, missing)], wanted.sort_by)
    if not whole or (found and not missing):
        show(found)
    _tell(missing)


def _each(session: Session, one: Chosen, wanted: Wanted, missing: list[str]) -> Iterator[Object]:
    space = session.space(one.kind, everywhere=wanted.everywhere)
    if not one.names:
        yield from session.list(one.kind, space, labels=wanted.labels, fields=wanted.fields, limit=wanted.chunk_size)
    for name in one.names:
        try:
            yield session.call("GET", one.kind.path(space, name, wanted.subresource))
        except NotFound as error:
            if not wanted.ignore_missing:
                missing.append(told(error))


def _sorted(items: list[Object], sort_by: str) -> list[Object]:
    if not sort_by:
        return items
    try:
        find = path(sort_by)
    except PathError as error:
        raise Failure(f"couldn't find any field with path {sort_by}: {error}") from error
    return sorted(items, key=lambda item: _sort_key(find(item)))


def _sort_key(values: list[Any]) -> tuple[int, float, str]:
    if not values:
        return (0, 0.0, "")
    first = values[0]
    return (1, float(first), "") if isinstance(first, int | float) else (2, 0.0, str(first))


def _tell(missing: Sequence[str]) -> None:
    for line in missing:
        print(line, file=sys.stderr)
    if missing:
        raise Several


# Tables.


def _tables(session: Session, what: list[Chosen], wanted: Wanted) -> None:
    missing: list[str] = []
    found = [(one, *_rows(session, one, wanted, missing)) for one in what]
    # What is named and not there is no kind that is shown; a list without rows is.
    several = len({one.kind for one, rows, _ in found if rows or not one.names}) > 1
    drawn = [(one, rows, columns) for one, rows, columns in found if rows]
    for at, (one, rows, columns) in enumerate(drawn):
        if at:
            print()
        Drawing(one, wanted, show_kind=several).show(columns, rows)
    if not drawn and not missing and not wanted.ignore_missing:
        spaces = [session.space(one.kind, everywhere=wanted.everywhere) for one in what]
        where = f" in {spaces[0]} namespace." if all(spaces) else ""
        print(f"No resources found{where}", file=sys.stderr)
    _tell(missing)


def _plain_rows(session: Session, one: Chosen, wanted: Wanted, missing: list[str]) -> tuple[list[Any], list[Any]]:
    """Names and ages, without the server's columns."""
    return _names_and_ages(_sorted(list(_each(session, one, wanted, missing)), wanted.sort_by))


def _names_and_ages(found: list[Object]) -> tuple[list[Any], list[Any]]:
    return [
        {"object": item, "cells": [item["metadata"]["name"], since(item["metadata"].get("creationTimestamp"))]}
        for item in found
    ], [
        {"name": "Name"},
        {"name": "Age"},
    ]


def _rows(session: Session, one: Chosen, wanted: Wanted, missing: list[str]) -> tuple[list[Any], list[Any]]:
    if not wanted.server_print:
        return _plain_rows(session, one, wanted, missing)
    space = session.space(one.kind, everywhere=wanted.everywhere)
    rows: list[Any] = []
    columns: list[Any] = []
    include = "Object" if wanted.sort_by else "Metadata"
    for name in one.names or ("",):
        query: dict[str, str | int] = {"includeObject": include}
        if not name:
            query |= {"labelSelector": wanted.labels, "fieldSelector": wanted.fields, "limit": wanted.chunk_size or ""}
        while True:
            try:
                with nullcontext() if name else listing(one.kind, wanted.labels, wanted.fields):
                    path_ = one.kind.path(space, name, wanted.subresource)
                    page = session.call("GET", path_, query=query, accept=TABLE)
            except NotFound as error:
                if not wanted.ignore_missing:
                    missing.append(told(error))
                break
            if page.get("kind") != "Table":  # a subresource of which the server draws none
                rows, columns = _names_and_ages([page])
                break
            columns = page.get("columnDefinitions") or columns
            rows += page.get("rows") or []
            query["continue"] = (page.get("metadata") or {}).get("continue", "")
            if not query["continue"]:
                break
    if wanted.sort_by:
        by_row = {id(row["object"]): row for row in rows}
        rows = [by_row[id(item)] for item in _sorted([row["object"] for row in rows], wanted.sort_by)]
    return rows, columns
