"""`steer explain TYPE[.field…]`, from the server's OpenAPI document."""

import textwrap
from typing import Any

import click

from api.errors import NotFound
from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.session import Session, with_session

_WIDTH, _INDENT = 80, 4


@click.command("explain")
@click.argument("what", metavar="TYPE[.FIELD…]")
@click.option("--recursive", is_flag=True, help="Only the names of all fields, at all depths.")
@click.option("--api-version", default="", help="The group and version, as apps/v1.")
@click.option("--output", default="plaintext", help="plaintext, the only form.")
@with_session
def command(session: Session, what: str, recursive: bool, api_version: str, output: str) -> None:
    """Describe fields and structure of various resources."""
    if output != "plaintext":
        raise Failure(f"unrecognized format: {output}")
    word, *path = what.split(".")
    try:
        kind = session.discovery.find(word)
    except Failure as error:
        raise Failure(str(error).removeprefix("error: "), prefix="") from error
    if api_version:
        kind = session.discovery.of(api_version, kind.kind) or _fail(
            f"couldn't find resource for {api_version}, {word}"
        )
    schemas = _Schemas(session, kind)
    schema, type_ = schemas.root(), ""
    for name in path:
        found = schemas.fields(schema).get(name)
        if found is None:
            print("\n".join(_head(kind)))
            raise Failure(f'field "{name}" does not exist')
        type_, schema = schemas.type_name(found), found
    field = path[-1] if path else ""
    print("\n".join(_told(kind, schemas, schema, f"{field} <{type_}>" if field else "", recursive=recursive)) + "\n")


def _fail(message: str) -> Kind:
    raise Failure(message)


def _told(kind: Kind, schemas: "_Schemas", schema: dict[str, Any], field: str, *, recursive: bool) -> list[str]:
    lines = _head(kind)
    if field:
        lines += [f"FIELD: {field}", "", ""]
    lines.append("DESCRIPTION:")
    for text in schemas.descriptions(schema):
        lines += _wrapped(text, _INDENT)
    lines.append("    ")
    if schemas.fields(schema):
        lines += ["FIELDS:", *schemas.lines(schema, 1, recursive=recursive)]
    return lines


def _head(kind: Kind) -> list[str]:
    group = [f"GROUP:      {kind.group}"] if kind.group else []
    return [*group, f"KIND:       {kind.kind}", f"VERSION:    {kind.version}", ""]


def _wrapped(text: str, indent: int) -> list[str]:
    """Paragraphs stay apart."""
    pad = " " * indent
    lines: list[str] = []
    for paragraph in text.split("\n"):
        wrapped = textwrap.wrap(paragraph, _WIDTH - indent, break_long_words=False, break_on_hyphens=False)
        lines += [pad + line for line in wrapped or [""]]
    return lines


def _schemas(session: Session, kind: Kind) -> dict[str, Any]:
    """By name. Servers before 1.24 have one document of all kinds. Raises Failure."""
    found: dict[str, Any]
    try:
        paths = session.call("GET", "/openapi/v3")["paths"]
    except NotFound:
        found = session.call("GET", "/openapi/v2")["definitions"]
        return found
    root = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
    if root not in paths:
        raise Failure(f"the server has no OpenAPI document for {root}")
    found = session.call("GET", paths[root]["serverRelativeURL"])["components"]["schemas"]
    return found


class _Schemas:
    """The declarations of one group and version."""

    def __init__(self, session: Session, kind: Kind) -> None:
        self._schemas = _schemas(session, kind)
        self._kind = kind

    def root(self) -> dict[str, Any]:
        wanted = {"group": self._kind.group, "version": self._kind.version, "kind": self._kind.kind}
        for schema in self._schemas.values():
            if wanted in schema.get("x-kubernetes-group-version-kind", ()):
                found: dict[str, Any] = schema
                return found
        raise Failure(f"couldn't find resource for {self._kind.api_version}, Kind={self._kind.kind}")

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a reference or a wrapped reference leads to."""
        for one in (schema, *schema.get("allOf", ())):
            if "$ref" in one:
                found: dict[str, Any] = self._schemas[one["$ref"].rpartition("/")[2]]
                return found
        return schema

    def _innermost(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a field holds, when lists and maps are opened."""
        inner = self._resolved(schema)
        while "items" in inner or isinstance(inner.get("additionalProperties"), dict):
            inner = self._resolved(inner.get("items") or inner["additionalProperties"])
        return inner

    def fields(self, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        inner = self._innermost(schema)
        properties: dict[str, dict[str, Any]] = inner.get("properties") or {}
        return properties

    def descriptions(self, schema: dict[str, Any]) -> list[str]:
        """The field's own, and then that of its type."""
        inner = self._innermost(schema)
        texts = [schema.get("description") or inner.get("description") or "<empty>"]
        return [*texts, inner["description"]] if inner is not schema and inner.get("description") else texts

    def type_name(self, schema: dict[str, Any]) -> str:
        if "items" in schema:
            return f"[]{self.type_name(schema['items'])}"
        if isinstance(schema.get("additionalProperties"), dict):
            return f"map[string]{self.type_name(schema['additionalProperties'])}"
        for one in (schema, *schema.get("allOf", ())):
            if "$ref" in one:
                inner = self._resolved(one)
                return (
                    str(inner["type"]) if inner.get("type") not in (None, "object") else one["$ref"].rpartition(".")[2]
                )
        return str(schema.get("type") or "Object")

    def lines(self, schema: dict[str, Any], depth: int, *, recursive: bool, seen: tuple[int, ...] = ()) -> list[str]:
        lines: list[str] = []
        required = self._innermost(schema).get("required") or ()
        for name, field in sorted(self.fields(schema).items()):
            mark = " -required-" if name in required else ""
            lines.append(f"{'  ' * depth}{name}\t<{self.type_name(field)}>{mark}")
            if choices := field.get("enum"):
                lines.append(f"{'  ' * depth}enum: {', '.join(choices)}")
            if not recursive:
                lines += [*_wrapped(field.get("description") or "<no description>", 2 * depth + 2), ""]
                continue
            fields = self.fields(field)
            if fields and id(fields) not in seen:
                lines += self.lines(field, depth + 1, recursive=True, seen=(*seen, id(fields)))
        return lines
