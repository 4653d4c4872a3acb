"""`steer scale --replicas=N TYPE NAME`, through the scale subresource."""

import click

from api.errors import Conflict
from cli.steer.discovery import Kind
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, Source, manifests
from cli.steer.output.flags import OUTPUT
from cli.steer.selection import chosen
from cli.steer.session import Object, Session, with_session
from cli.steer.watching import deadline, until
from cli.steer.writing import options, outcome

_TRIES = 5


@click.command("scale")
@click.argument("words", nargs=-1, metavar="TYPE NAME… | TYPE/NAME…")
@options(FILES)
@click.option("--replicas", type=int, required=True, help="The new number of replicas.")
@click.option("--current-replicas", type=int, default=-1, help="Only if this is the present number.")
@click.option("--timeout", type=DURATION, default="0s", help="How long to wait for the replicas to be there; 0: not.")
@options(OUTPUT)
@with_session
def command(
    session: Session, words: tuple[str, ...], filename: tuple[Source, ...], recursive: bool, replicas: int,
    current_replicas: int, timeout: float, output: str,
) -> None:  # fmt: skip
    """Set a new size for a deployment, replica set, or replication controller."""
    if replicas < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    named = [(one.kind, name) for one in chosen(session, words) for name in one.names] if words else []
    named += [
        (item.kind, item.name) for item in (manifests(session, filename, recursive=recursive) if filename else ())
    ]
    if not named:
        raise Failure("resource(s) were provided, but no name was specified")
    for kind, name in named:
        found = _scale(session, kind, name, replicas, current_replicas)
        if timeout:
            _wait(session, kind, name, replicas, timeout)
        outcome(Manifest(found, kind, ""), "scaled", found, form=output, dry_run="none")


def _scale(session: Session, kind: Kind, name: str, replicas: int, current: int) -> Object:
    """On a conflict the scale is read again: only the number is ours to set."""
    path = kind.path(session.space(kind), name, "scale")
    for left in reversed(range(_TRIES)):
        scale: Object = session.call("GET", path)
        there = scale["spec"].get("replicas", 0)
        if current >= 0 and there != current:
            raise Failure(f"Expected replicas to be {current}, was {there}")
        scale["spec"]["replicas"] = replicas
        try:
            session.call("PUT", path, body=scale)
            return scale
        except Conflict:
            if not left:
                raise
    raise AssertionError("unreachable")


def _wait(session: Session, kind: Kind, name: str, replicas: int, limit_s: float) -> None:
    def so(state: Object | None) -> bool:
        return state is not None and state.get("status", {}).get("replicas", 0) == replicas

    if not until(session, kind, name, session.space(kind), deadline(limit_s), so=so):
        raise Failure(f"timed out waiting for {kind.singular}/{name} to have {replicas} replicas")
