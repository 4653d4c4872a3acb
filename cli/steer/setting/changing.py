"""How the subcommands of `steer set` work: a copy of the object is changed, and the difference is the patch."""

import copy
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session
from cli.steer.targets import query
from cli.steer.three_way import three_way
from cli.steer.writing import each, outcome

# Changes the document in place. Raises Failure.
Change = Callable[[Manifest, Object], None]
CONTAINERS = (click.option("-c", "--containers", default="*", help="Which containers, as a name with *."),)


def change_each(
    session: Session, items: Iterable[Manifest], flags: dict[str, Any], change: Change, done: str, *,
    always: bool = False,
) -> None:  # fmt: skip
    """Patches each that comes out different; ``done`` is said of it. ``always``: also of those that do not."""

    def one(item: Manifest) -> None:
        document = copy.deepcopy(item.document)
        change(item, document)
        if document == item.document and not always:
            return
        if flags["dry_run"] != "client":
            patch, form = three_way(item.document, document, item.document)
            asks = query(flags["dry_run"], "steer-set")
            document = session.patch(item.kind, item.name, item.namespace(session), patch, form=form, query=asks)
        outcome(item, done, document, form=flags["output"], dry_run=flags["dry_run"])

    each(items, one)


def of_pods(item: Manifest, document: Object) -> Object:
    """What the object says of its pods. Raises Failure."""
    spec: Object = document.get("spec") or {}
    if item.kind.kind == "Pod":
        return spec
    if "spec" not in (spec.get("template") or {}):
        raise Failure(
            f"{item.kind.plural}/{item.name} the object is not a pod or does not have a pod template: "
            f"*{item.kind.version}.{item.kind.kind}"
        )
    found: Object = spec["template"]["spec"]
    return found


def containers(pods: Object, pattern: str) -> Iterator[Object]:
    for one in (*(pods.get("containers") or ()), *(pods.get("initContainers") or ())):
        if fnmatchcase(one["name"], pattern):
            yield one


def split(words: tuple[str, ...], is_value: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The words that name objects, and those behind them that say what is to be set."""
    at = next((number for number, word in enumerate(words) if is_value(word)), len(words))
    return list(words[:at]), list(words[at:])
