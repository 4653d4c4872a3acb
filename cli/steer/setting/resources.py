"""`steer set resources TYPE/NAME --limits=… --requests=…`."""

from typing import Any

import click

from cli.steer.creating.policies import amounts
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.setting.changing import CONTAINERS, change_each, containers, of_pods
from cli.steer.targets import WHICH, targets
from cli.steer.writing import DRY_RUN, options


@click.command("resources")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH, CONTAINERS, DRY_RUN)
@click.option("--limits", default="", help="As cpu=200m,memory=512Mi; 0 takes one away.")
@click.option("--requests", default="", help="As cpu=100m,memory=256Mi; 0 takes one away.")
@with_session
def resources(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update resource requests and limits of a pod template."""
    wanted = {part: amounts(flags[part]) for part in ("limits", "requests") if flags[part]}
    items = list(targets(session, words, flags))
    if not wanted:
        raise Failure("you must specify an update to requests or limits (in the form of --requests/--limits)")

    def change(item: Manifest, document: Object) -> None:
        found = list(containers(of_pods(item, document), flags["containers"]))
        if not found:
            raise Failure(f"unable to find container named {flags['containers']}")
        for one in found:
            there = one.setdefault("resources", {})
            for part, values in wanted.items():
                there[part] = {**there.get(part, {}), **values}

    change_each(session, items, flags, change, "resource requirements updated")
