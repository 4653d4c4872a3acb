"""`steer scale --replicas=N TYPE NAME`, through the scale subresource."""

from typing import Any

import click

from api.errors import Conflict
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.output.flags import OUTPUT
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, targets
from cli.steer.watching import deadline, until
from cli.steer.writing import ONLY_DRY, each, options, outcome

_TRIES = 5


@click.command("scale")
@click.argument("words", nargs=-1, metavar="TYPE NAME… | TYPE/NAME…")
@options(WHICH)
@click.option("--replicas", type=int, required=True, help="The new number of replicas.")
@click.option("--current-replicas", type=int, default=-1, help="Only if this is the present number.")
@click.option("--resource-version", default="", help="Only if this is the present version.")
@click.option("--timeout", type=DURATION, default="0s", help="How long to wait for the replicas to be there; 0: not.")
@options(ONLY_DRY, OUTPUT)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Set a new size for a deployment, replica set, or replication controller."""
    if flags["replicas"] < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    dry_run, count = flags["dry_run"], 0

    def one(item: Manifest) -> None:
        nonlocal count
        count += 1
        if dry_run != "client":
            _scale(session, item, flags)
        if flags["timeout"] and dry_run == "none":
            _wait(session, item, flags["replicas"], flags["timeout"])
        found = session.get(item.kind, item.name, item.namespace(session)) if flags["output"] else item.document
        outcome(item, "scaled", found, form=flags["output"], dry_run=dry_run)

    each(targets(session, words, flags), one)
    if not count:
        raise Failure("no objects passed to scale")


def _scale(session: Session, item: Manifest, flags: dict[str, Any]) -> None:
    """On a conflict the scale is read again: only the number is ours to set."""
    path = item.kind.path(item.namespace(session), item.name, "scale")
    current, version = flags["current_replicas"], flags["resource_version"]
    for left in reversed(range(_TRIES)):
        scale: Object = session.call("GET", path)
        there = scale["spec"].get("replicas", 0)
        if current >= 0 and there != current:
            raise Failure(f"Expected replicas to be {current}, was {there}")
        if version and scale["metadata"]["resourceVersion"] != version:
            raise Failure(f"Expected resource version to be {version}, was {scale['metadata']['resourceVersion']}")
        scale["spec"]["replicas"] = flags["replicas"]
        try:
            session.call("PUT", path, query={"dryRun": "All" if flags["dry_run"] == "server" else ""}, body=scale)
            return
        except Conflict:
            if not left:
                raise


def _wait(session: Session, item: Manifest, replicas: int, limit_s: float) -> None:
    def so(state: Object | None) -> bool:
        return state is not None and state.get("status", {}).get("replicas", 0) == replicas

    if not until(session, item.kind, item.name, item.namespace(session), deadline(limit_s), so=so):
        raise Failure(f"timed out waiting for {item.kind.singular}/{item.name} to have {replicas} replicas")
