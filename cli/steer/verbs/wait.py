"""`steer wait TYPE NAME --for=condition=Ready`: follows objects by a watch until something is so of each."""

import re
from collections.abc import Callable
from typing import Any

import click

from api.errors import NotFound
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.output.flags import OUTPUT
from cli.steer.output.jsonpath import PathError, path
from cli.steer.selection import chosen
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, targets
from cli.steer.watching import deadline, until, until_gone
from cli.steer.writing import each, options, outcome

_DEFAULT = "30s"
_JSONPATH = re.compile(r"jsonpath=(?P<path>'?\{.*?\}'?)(?:=(?P<value>.*))?", re.DOTALL)
Met = Callable[[Object | None], bool]


@click.command("wait")
@click.argument("words", nargs=-1, metavar="TYPE NAME… | TYPE/NAME…")
@options(WHICH)
@click.option("--for", "wish", default="", help="create|delete|condition=NAME[=VALUE]|jsonpath='{PATH}'[=VALUE]")
@click.option("--timeout", type=DURATION, default=_DEFAULT, help="How long to wait; 0: look once; below 0: a week.")
@options(OUTPUT)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Wait for a specific condition on one or many resources."""
    wish = flags["wish"].strip()
    met = None if wish.lower() in ("delete", "create") else condition(wish)
    limit_s = flags["timeout"]
    end = deadline(0 if limit_s < 0 else max(limit_s, 0.5))
    found = 0

    def one(item: Manifest) -> None:
        nonlocal found
        found += 1
        _wait(session, item, wish.lower(), met, end, flags["output"])

    try:
        each(_created(session, words, flags, end) if wish == "create" else targets(session, words, flags), one)
    except NotFound:
        if wish.lower() != "delete":
            raise
        return
    if not found and wish.lower() != "delete":
        raise Failure("no matching resources found")


def _created(session: Session, words: tuple[str, ...], flags: dict[str, Any], end: float) -> Any:
    """The objects, each once it is there."""
    for chosen_kind in chosen(session, words):
        for name in chosen_kind.names:
            space = session.space(chosen_kind.kind)
            if not until(session, chosen_kind.kind, name, space, end, so=lambda state: state is not None):
                raise Failure("timed out waiting for the condition")
    yield from targets(session, words, flags)


def _wait(session: Session, item: Manifest, wish: str, met: Met | None, end: float, form: str) -> None:
    space = item.namespace(session)
    found = item.document

    def so(state: Object | None) -> bool:
        nonlocal found
        found = state or found
        return met is None or met(state)

    if wish == "delete":
        done = until_gone(session, item.kind, item.name, space, item.document["metadata"]["uid"], end)
    else:
        done = until(session, item.kind, item.name, space, end, so=so)
    if not done:
        raise _late(item)
    outcome(item, "condition met", found, form=form, dry_run="none")


def _late(item: Manifest) -> Failure:
    return Failure(f"timed out waiting for the condition on {item.kind.plural}/{item.name}")


def condition(wish: str) -> Met:
    """What has to be so. Raises Failure."""
    if wish.startswith("condition="):
        name, equals, value = wish.removeprefix("condition=").partition("=")
        return _has_condition(name, value if equals else "true")
    if fits := _JSONPATH.fullmatch(wish):
        try:
            return _has_value(path(fits["path"].strip("'")), fits["value"])
        except PathError as error:
            raise Failure(f"error parsing jsonpath {fits['path']}, {error}") from error
    raise Failure(f'unrecognized condition: "{wish}"' if wish else "unrecognized condition: []")


def _has_condition(name: str, value: str) -> Met:
    def met(state: Object | None) -> bool:
        if state is None:
            return False
        generation = state["metadata"].get("generation", 0)
        for one in (state.get("status") or {}).get("conditions") or ():
            if one["type"].lower() == name.lower():
                stale = 0 < one.get("observedGeneration", generation) < generation
                return not stale and str(one["status"]).lower() == value.lower()
        return False

    return met


def _has_value(find: Callable[[Object], list[Any]], value: str | None) -> Met:
    def met(state: Object | None) -> bool:
        if state is None:
            return False
        found = find(state)
        if value is None:
            return bool(found)
        return len(found) == 1 and _text(found[0]) == value.strip("'\"")

    return met


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
