"""`steer set image TYPE/NAME CONTAINER=IMAGE…`."""

from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.setting.changing import change_each, of_pods, split
from cli.steer.targets import WHICH, targets
from cli.steer.writing import DRY_RUN, options


@click.command("image")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME CONTAINER=IMAGE…")
@options(WHICH, DRY_RUN)
@with_session
def image(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update the image of a pod template; * is every container."""
    what, said = split(words, lambda word: "=" in word)
    wanted = dict(word.split("=", 1) for word in said)
    items = list(targets(session, what, flags))
    if not wanted:
        raise Failure("at least one image update is required")

    def change(item: Manifest, document: Object) -> None:
        set_images(of_pods(item, document), wanted)

    change_each(session, items, flags, change, "image updated")


def set_images(pods: Object, wanted: dict[str, str]) -> None:
    """Raises Failure for a container that there is none of."""
    plain, initial = pods.get("containers") or [], pods.get("initContainers") or []
    names = {container["name"] for container in (*plain, *initial)}
    for name in wanted:
        if name != "*" and name not in names:
            raise Failure(f'unable to find container named "{name}"')
    for container in plain:
        container["image"] = wanted.get(container["name"], wanted.get("*", container.get("image")))
    for container in initial:
        container["image"] = wanted.get(container["name"], container.get("image"))
