"""Labels and annotations: what the words ask for, worked out purely, and the verb of either."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.writing import DRY_RUN, each, options, outcome


@dataclass(frozen=True, slots=True)
class Asked:
    """The objects' words, and what is to be set (None: taken away)."""

    words: tuple[str, ...]
    values: dict[str, str | None]


def asked(words: Sequence[str], *, noun: str) -> Asked:
    """``pods web a=b c-``. Raises Failure."""
    first = next((number for number, word in enumerate(words) if _is_change(word)), len(words))
    values: dict[str, str | None] = {}
    for word in words[first:]:
        key, equals, value = word.partition("=")
        if not equals and not word.endswith("-"):
            raise Failure(f"all resources must be specified before {noun} changes: {word}")
        name = key if equals else word[:-1]
        if name in values:
            raise Failure(f"can not both modify and remove a {noun} in the same command")
        values[name] = value if equals else None
    return Asked(tuple(words[:first]), values)


def _is_change(word: str) -> bool:
    return "=" in word or (word.endswith("-") and len(word) > 1)


def clashes(there: Mapping[str, str], wanted: Mapping[str, str | None]) -> list[str]:
    """What would be overwritten by another value."""
    return [
        f"'{key}' already has a value ({there[key]})"
        for key, value in wanted.items()
        if value is not None and key in there and there[key] != value
    ]


def verb(noun: str, *, done: Callable[[Mapping[str, str], Mapping[str, str], bool], str], clash: str) -> click.Command:
    """The command that changes labels or annotations. ``done`` says what was, by before, after and --overwrite."""
    field = f"{noun}s"

    @click.command(noun if noun == "label" else "annotate", help=f"Update the {field} on a resource.")
    @click.argument("words", nargs=-1, metavar="TYPE NAME… KEY=VALUE… KEY-…")
    @options(WHICH, DRY_RUN)
    @click.option("--overwrite", is_flag=True, help="Allow values to be overwritten.")
    @click.option("--list", "listed", is_flag=True, help=f"Show the {field}.")
    @click.option("--resource-version", default="", help="Only if this is the present version.")
    @with_session
    def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
        wish = asked(words, noun=noun)
        if not (wish.words or flags["filename"]):
            raise Failure("one or more resources must be specified as <resource> <name> or <resource>/<name>")
        if not wish.values and not flags["listed"]:
            raise Failure(f"at least one {noun} update is required")

        def change(item: Manifest) -> None:
            there: dict[str, str] = item.document["metadata"].get(field) or {}
            if not flags["overwrite"] and (found := clashes(there, wish.values)):
                raise Failure(clash.format(", ".join(found)))
            after = {key: value for key, value in {**there, **wish.values}.items() if value is not None}
            if not flags["listed"]:  # kubectl too only shows then what would come of it
                _change(session, item, field, wish.values, there, flags, done)
            else:
                one = (len(wish.words) == 1 and "/" in wish.words[0]) or len(wish.words) == 2
                _list(item, field, after, bare=one)

        each(targets(session, wish.words, flags), change)

    return command


def _list(item: Manifest, field: str, values: Mapping[str, str], *, bare: bool) -> None:
    if not bare:
        print(f"Listing {field} for {item.kind.kind}.{item.kind.group}/{item.name}:")
    for key in sorted(values):
        print(f"{'' if bare else ' '}{key}={values[key]}")


def _change(
    session: Session,
    item: Manifest,
    field: str,
    wanted: dict[str, str | None],
    there: Mapping[str, str],
    flags: dict[str, Any],
    done: Callable[[Mapping[str, str], Mapping[str, str], bool], str],
) -> None:
    for key in (key for key, value in wanted.items() if value is None and key not in there):
        if field == "labels":
            print(f'label "{key}" not found.')
    metadata: dict[str, Any] = {field: wanted}
    if flags["resource_version"]:
        metadata["resourceVersion"] = flags["resource_version"]
    after = {key: value for key, value in {**there, **wanted}.items() if value is not None}
    dry_run, found = flags["dry_run"], item.document
    if dry_run == "client":
        found = {**found, "metadata": {**found["metadata"], field: after}}
    else:
        space = item.namespace(session)
        patch = {"metadata": metadata}
        asks = query(dry_run, "steer")
        found = session.patch(item.kind, item.name, space, patch, form="merge", query=asks)
    outcome(item, done(there, after, flags["overwrite"]), found, form=flags["output"], dry_run=dry_run)
