"""The forms of ``-o``: one place for all verbs."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.output.documents import as_json, as_list, as_yaml
from cli.steer.output.jsonpath import PathError, path, template
from cli.steer.output.table import Table

Object = dict[str, Any]
Printer = Callable[[Sequence[Object]], None]

FORMS = "json|yaml|name|jsonpath=…|jsonpath-as-json=…|jsonpath-file=…|go-template=…|go-template-file=…"
TABLE_FORMS = "wide|custom-columns=…|custom-columns-file=…"
_OBJECTS = {"go-template", "go-template-file", "json", "jsonpath", "jsonpath-as-json", "jsonpath-file", "name",
            "template", "templatefile", "yaml"}  # fmt: skip
_TABLES = {"custom-columns", "custom-columns-file", "wide"}


class Form(str):
    """What -o says; ``managed_fields``: these are printed too, of which people see nothing otherwise."""

    managed_fields: bool

    def __new__(cls, text: str, *, managed_fields: bool = False) -> "Form":
        form = super().__new__(cls, text)
        form.managed_fields = managed_fields
        return form


def printer(
    form: str, *, name_of: Callable[[Object], str], as_one: bool, headers: bool = True, in_order: bool = False
) -> Printer:
    """What prints whole objects in a form. ``as_one``: a single object is printed bare, not as a list. ``in_order``:
    keys of JSON stay in their order. Raises Failure."""
    kind, _, argument = form.partition("=")
    if kind.endswith("-file") or kind == "templatefile":
        kind, argument = kind.removesuffix("file").rstrip("-"), _read(argument)
    match kind:
        case "json" | "yaml":
            encode = partial(as_json, in_order=in_order) if kind == "json" else as_yaml
            clean: Callable[[Object], Object] = unmanaged
            if isinstance(form, Form) and form.managed_fields:
                clean = dict

            def write(items: Sequence[Object]) -> None:
                shown = [clean(item) for item in items]
                _write(encode(shown[0] if as_one and shown else as_list(shown)))

            return write
        case "name":
            return lambda items: _write("".join(f"{name_of(item)}\n" for item in items))
        case "jsonpath" | "jsonpath-as-json":
            return _jsonpath(argument, as_one=as_one, as_json_too=kind != "jsonpath")
        case "go-template" | "template":
            return _go_template(argument, as_one=as_one)
        case "custom-columns":
            return _columns(argument, headers=headers)
    raise _unmatched(form, _OBJECTS | _TABLES)


def check(form: str) -> None:
    """That a verb which draws no tables can print it, before anything is done. Raises Failure."""
    if form.partition("=")[0] not in _OBJECTS:
        raise _unmatched(form, _OBJECTS)
    printer(form, name_of=str, as_one=True)


def _unmatched(form: str, allowed: set[str]) -> Failure:
    return Failure(f'unable to match a printer suitable for the output format "{form}", allowed formats are: '
                   + ",".join(sorted(allowed)))  # fmt: skip


def unmanaged(item: Object) -> Object:
    """Without the notes of who manages which field."""
    meta = item.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return item
    return {**item, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def _read(name: str) -> str:
    try:
        return Path(name).read_text().rstrip("\n")
    except OSError as error:
        raise Failure(f"error reading template {name}, {error.strerror}") from error


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _jsonpath(text: str, *, as_one: bool, as_json_too: bool) -> Printer:
    """``as_json_too``: a list of what each place finds."""
    if not text:
        raise Failure("template format specified but no template given")
    try:
        found = template(text)
    except PathError as error:
        raise Failure(f"error parsing jsonpath {text}, {error}") from error

    def show(items: Sequence[Object]) -> None:
        try:
            document = items[0] if as_one and items else as_list(list(items))
            _write("".join(map(as_json, found.groups(document))) if as_json_too else found.render(document))
        except PathError as error:
            raise Failure(f"error executing jsonpath {json.dumps(text)}: {error}") from error

    return show


def _go_template(text: str, *, as_one: bool) -> Printer:
    from cli.steer.output.gotemplate import TemplateError, parse

    if not text:
        raise Failure("template format specified but no template given")
    try:
        render = parse(text)
    except TemplateError as error:
        raise Failure(f"error parsing template {text}, template: output:1: {error}") from error

    def show(items: Sequence[Object]) -> None:
        try:
            _write(render(items[0] if as_one and items else as_list(list(items))))
        except TemplateError as error:
            raise Failure(f"error executing template {json.dumps(text)}: template: output:1: {error}") from error

    return show


def _columns(text: str, *, headers: bool) -> Printer:
    if not text:
        raise Failure("custom-columns format specified but no custom columns given")
    if "\n" in text:  # a file: names above paths
        first, second = text.split("\n")[:2]
        pairs = list(zip(first.split(), second.split(), strict=False))
    else:
        pairs = [(name, where) for name, _, where in (column.partition(":") for column in text.split(","))]
    if not all(name and where for name, where in pairs):
        raise Failure(f"unexpected custom-columns spec: {text}, expected <header>:<json-path-expr>")
    try:
        paths = [path(where) for _, where in pairs]
    except PathError as error:
        raise Failure(f"error parsing custom-columns {text}, {error}") from error

    def show(items: Sequence[Object]) -> None:
        rows = [[",".join(_plain(value) for value in find(item)) or "<none>" for find in paths] for item in items]
        Table([name.upper() for name, _ in pairs], headers=headers).print(rows)

    return show


def _plain(value: Any) -> str:
    """As Go prints values."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_plain(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<none>" if value is None else str(value)


def object_name(kind: Kind | None, item: Object) -> str:
    """``pod/web``, ``deployment.apps/web``."""
    name = item["metadata"]["name"]
    return f"{kind.qualified if kind is not None else item['kind'].lower()}/{name}"
