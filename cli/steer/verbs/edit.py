"""`steer edit TYPE NAME`: the object in an editor; what was changed there is sent as a patch."""

from typing import Any

import click

from cli.steer.editing import edited
from cli.steer.manifests import Manifest
from cli.steer.output.printing import unmanaged
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.three_way import three_way
from cli.steer.writing import each, options


@click.command("edit")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Edit a resource on the server, in the program that KUBE_EDITOR or EDITOR names."""

    def one(item: Manifest) -> None:
        before = unmanaged(item.document)

        def send(after: Object) -> None:
            patch, form = three_way(before, after, before)
            asks = query("none", "steer-edit")
            session.patch(item.kind, item.name, item.namespace(session), patch, form=form, query=asks)
            print(f"{item.shown} edited", flush=True)

        edited(item, before, send)

    each(targets(session, words, flags), one)
