"""`steer taint nodes NAME KEY=VALUE:EFFECT… KEY[:EFFECT]-…`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.writing import DRY_RUN, each, options, outcome

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SEE = "\nSee 'steer taint -h' for help and examples"


@dataclass(frozen=True, slots=True)
class Change:
    """A taint to be put on, or (``goes``) taken off; without an effect, those of all effects."""

    key: str
    value: str = ""
    effect: str = ""
    goes: bool = False

    def meets(self, taint: dict[str, Any]) -> bool:
        return taint["key"] == self.key and self.effect in ("", taint["effect"])


def parsed(word: str) -> Change:
    """Raises Failure."""
    goes = word.endswith("-")
    text, _, effect = word.removesuffix("-").partition(":")
    key, _, value = text.partition("=")
    if (effect or not goes) and effect not in _EFFECTS:
        raise Failure(f"invalid taint effect: {effect}, unsupported taint effect{_SEE}" if effect else
                      f"invalid taint spec: {word}{_SEE}")  # fmt: skip
    return Change(key, value, effect, goes)


def changed(
    node: str, there: Sequence[dict[str, Any]], wish: Sequence[Change], *, overwrite: bool
) -> tuple[list[Any], str]:
    """The taints that a node then has, and what was done to it. Raises Failure."""
    for one in wish:
        met = any(one.meets(taint) for taint in there)
        if one.goes and not met:
            name = f"{one.key}:{one.effect}" if one.effect else one.key
            raise Failure(f'taint "{name}" not found')
        if not one.goes and met and not overwrite:
            raise Failure(f"node {node} already has a taint(s) with same effect(s) and --overwrite is false")
    kept = [taint for taint in there if not any(one.meets(taint) for one in wish)]
    added = [
        {"key": one.key, "effect": one.effect, **({"value": one.value} if one.value else {})}
        for one in wish
        if not one.goes
    ]
    done = "tainted" if len(kept) == len(there) else "modified" if added else "untainted"
    return [*added, *kept], done


@click.command("taint")
@click.argument("words", nargs=-1, metavar="nodes NAME… KEY=VALUE:EFFECT… KEY-…")
@options(WHICH, DRY_RUN)
@click.option("--overwrite", is_flag=True, help="Allow taints to be overwritten.")
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update the taints on one or more nodes."""
    first = next((number for number, word in enumerate(words) if "=" in word or ":" in word or word[-1:] == "-"), None)
    if not words[:first]:
        raise Failure("one or more resources must be specified as <resource> <name>")
    if first is None:
        raise Failure("at least one taint update is required")
    wish = [parsed(word) for word in words[first:]]

    def change(item: Manifest) -> None:
        if item.kind.plural != "nodes":
            raise Failure(f"invalid resource type {item.kind.plural}, only node types are supported{_SEE}")
        there = item.document.get("spec", {}).get("taints") or []
        taints, done = changed(item.name, there, wish, overwrite=flags["overwrite"])
        found = item.document
        if flags["dry_run"] != "client":
            patch = {"spec": {"taints": taints or None}, "metadata": _version(item)}
            found = session.patch(item.kind, item.name, "", patch, form="merge", query=query(flags["dry_run"], "steer"))
        outcome(item, done, found, form=flags["output"], dry_run=flags["dry_run"])

    each(targets(session, words[:first], flags), change)


def _version(item: Manifest) -> dict[str, str]:
    """The list is written whole: only onto the one that was read."""
    return {"resourceVersion": item.document["metadata"]["resourceVersion"]}
