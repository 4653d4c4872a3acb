"""`steer set image TYPE/NAME CONTAINER=IMAGE…`."""

from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.writing import DRY_RUN, each, options, outcome


@click.group("set")
def command() -> None:
    """Set specific features on objects."""


@command.command("image")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME CONTAINER=IMAGE…")
@options(WHICH, DRY_RUN)
@with_session
def image(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update the image of a pod template; * is every container."""
    wanted = dict(word.split("=", 1) for word in words if "=" in word)
    if not wanted:
        raise Failure("at least one image update is required")

    def change(item: Manifest) -> None:
        patch = image_patch(item.document, wanted)
        if not patch:
            return
        found = item.document
        if flags["dry_run"] != "client":
            space, asks = item.namespace(session), query(flags["dry_run"], "steer-set")
            found = session.patch(item.kind, item.name, space, patch, form="strategic", query=asks)
        outcome(item, "image updated", found, form=flags["output"], dry_run=flags["dry_run"])

    each(targets(session, [word for word in words if "=" not in word], flags), change)


def image_patch(found: Object, wanted: dict[str, str]) -> Object:
    """The change of the containers that have other images; empty when none has. Raises Failure."""
    templated = "template" in found.get("spec", {})
    spec = found["spec"]["template"]["spec"] if templated else found.get("spec", {})
    groups = {name: spec.get(name) or [] for name in ("initContainers", "containers")}
    names = {container["name"] for group in groups.values() for container in group}
    for name in wanted:
        if name != "*" and name not in names:
            raise Failure(f'unable to find container named "{name}"')
    changed: Object = {}
    for group, containers in groups.items():
        items = []
        for container in containers:
            image = wanted.get(container["name"], wanted.get("*") if group == "containers" else None)
            if image is not None and image != container.get("image"):
                items.append({"name": container["name"], "image": image})
        if items:
            changed[group] = items
    if not changed:
        return {}
    return {"spec": {"template": {"spec": changed}}} if templated else {"spec": changed}
