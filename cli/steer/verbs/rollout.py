"""`steer rollout status|history|undo|pause|resume|restart TYPE/NAME`.

Deployments have all of it, daemon sets and stateful sets status and restart; what kubectl cannot do either is refused
in its words.
"""

import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import click

from api.rollouts import REVISION
from cli.steer import rollouts
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.notes import NOTE, note_of
from cli.steer.output.flags import OUTPUT
from cli.steer.output.table import Table
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.watching import deadline, states
from cli.steer.writing import DRY_RUN, MANAGER, each, options, outcome

_PROGRESS: dict[str, Callable[[Object], tuple[str, bool]]] = {
    "deployments": rollouts.progress,
    "daemonsets": rollouts.daemon_set_progress,
    "statefulsets": rollouts.stateful_set_progress,
}
_DEPLOYMENTS = ("deployments",)
_APPLIED = (
    "Warning: resource {} was previously managed with 'steer apply'. Rolling back will not update the {note} "
    "annotation, which may cause unexpected behavior on future 'steer apply' operations. Consider using 'steer apply' "
    "with your previous configuration file instead."
)
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


@click.group("rollout")
@with_common
def command() -> None:
    """Manage the rollout of a deployment, daemon set or stateful set."""


def _each(
    session: Session, words: tuple[str, ...], flags: dict[str, Any], act: Any, *, kinds: Collection[str], refused: Any
) -> None:
    """``act`` for the objects of these kinds; ``refused`` makes what is said of others."""

    def one(item: Manifest) -> None:
        if item.kind.plural not in kinds:
            raise Failure(refused(item))
        act(item)

    if not words and not flags["filename"]:
        raise Failure("required resource not specified")
    every = {**flags, "everything": not (flags["selector"] or flags["field_selector"])}
    each(targets(session, words, every), one)


def _grouped(name: str, item: Manifest) -> str:
    return name + (f".{item.kind.group}" if item.kind.group else "")


def _no_status(item: Manifest) -> str:
    return f"no status viewer has been implemented for {_grouped(item.kind.kind, item)}"


def _no_revisions(session: Session, what: str, none: str) -> Callable[[Manifest], str]:
    """``what`` would use the revisions, ``none`` is what kubectl says where a kind has none."""

    def said(item: Manifest) -> str:
        kind = item.kind
        if kind.plural in ("daemonsets", "statefulsets"):
            if any(one.plural == "controllerrevisions" for one in session.discovery.kinds):
                return f"{kind.kind}: steer has no {what} for it"
            missing = "the server could not find the requested resource"
            return f"unable to find history controlled by {kind.kind} {item.name}: {missing}"
        if kind.plural in ("replicasets", "replicationcontrollers", "pods", "jobs", "cronjobs"):
            return f'no {none} has been implemented for "{_grouped(kind.kind, item)}"'
        return f'error retrieving {what} for "{_grouped(kind.kind, item)}", no visitor method exists for ' + (
            f"{{{kind.group} {kind.kind}}}"
        )

    return said


@command.command("status")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH)
@click.option("-w", "--watch/--no-watch", default=True, help="Watch until it is done.")
@click.option("--timeout", type=DURATION, default="0s", help="How long to wait; 0: as long as it takes.")
@click.option("--revision", type=int, default=0, help="Fail when another revision takes its place.")
@with_session
def status(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Show the status of the rollout."""
    end = deadline(flags["timeout"])

    def follow(item: Manifest) -> None:
        said = ""
        for state in states(session, item.kind, item.name, item.namespace(session), end):
            if state is None:
                raise Failure("object has been deleted")
            _check_revision(state, flags["revision"])
            text, done = _PROGRESS[item.kind.plural](state)
            if text != said:
                print(text, flush=True)
            said = text
            if done or not flags["watch"]:
                return
        raise Failure("timed out waiting for the condition")

    _each(session, words, flags, follow, kinds=_PROGRESS, refused=_no_status)


def _check_revision(deployment: Object, wanted: int) -> None:
    there = int((deployment["metadata"].get("annotations") or {}).get(REVISION, 0))
    if wanted and there != wanted:
        raise Failure(f"desired revision ({wanted}) is different from the running revision ({there})")


@command.command("history")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH)
@click.option("--revision", type=int, default=0, help="Show the pod template of this revision.")
@with_session
def history(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """View rollout history."""

    def show(item: Manifest) -> None:
        found = _revisions(session, item)
        if flags["revision"]:
            _show_template(item, found, flags["revision"])
            return
        print(f"{item.shown} ")
        if not found:
            print("No rollout history found.")
            return
        Table(["REVISION", "CHANGE-CAUSE"]).print(rollouts.history(found))
        print()

    _each(session, words, flags, show, kinds=_DEPLOYMENTS, refused=_no_revisions(session, "history", "history viewer"))


def _revisions(session: Session, item: Manifest) -> dict[int, Object]:
    sets = session.discovery.find("replicasets.apps")
    return rollouts.revisions(item.document, session.list(sets, item.namespace(session)))


def _show_template(item: Manifest, found: dict[int, Object], number: int) -> None:
    from cli.steer.describing.page import Page
    from cli.steer.describing.pods import template

    print(f"{item.shown} with revision #{number}")
    if not found:
        print("No rollout history found.")
        return
    if number not in found:
        raise Failure("unable to find the specified revision")
    page = Page()
    template(page, found[number]["spec"]["template"])
    print(page.text())


@command.command("undo")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH)
@click.option("--to-revision", type=int, default=0, help="The revision; the last one when not said.")
@options(DRY_RUN)
@with_session
def undo(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Undo a previous rollout."""

    def back(item: Manifest) -> None:
        deployment = item.document
        if note_of(deployment):
            print(_APPLIED.format(f"{item.kind.plural}/{item.name}", note=NOTE), file=sys.stderr)
        number, replica_set = rollouts.target(deployment, _revisions(session, item), flags["to_revision"])
        if deployment["spec"].get("paused"):
            raise Failure(
                f"cannot rollback a paused deployment; resume it first with 'steer rollout resume deployment/"
                f"{item.name}' and try again"
            )
        patch = rollouts.undo_patch(deployment, replica_set)
        if not patch:
            print(f"{item.shown} skipped rollback (current template already matches revision {number})")
            return
        guard = {"op": "test", "path": "/metadata/resourceVersion", "value": deployment["metadata"]["resourceVersion"]}
        asks = query(flags["dry_run"], "steer-rollout")
        space, dry_run = item.namespace(session), flags["dry_run"]
        if dry_run != "client":
            deployment = session.patch(item.kind, item.name, space, [guard, *patch], form="json", query=asks)
        outcome(item, "rolled back", deployment, form=flags["output"], dry_run=dry_run)

    _each(session, words, flags, back, kinds=_DEPLOYMENTS, refused=_no_revisions(session, "rollbacker", "rollbacker"))


def _changing(
    name: str, help_: str, done: str, patch_of: Any, *, doing: str, kinds: Collection[str] = _DEPLOYMENTS
) -> None:
    """A verb that is one patch. ``patch_of`` takes the object and raises Failure."""

    @command.command(name, help=help_)
    @click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
    @options(WHICH, MANAGER, OUTPUT)
    @with_session
    def change(session: Session, words: tuple[str, ...], **flags: Any) -> None:
        def one(item: Manifest) -> None:
            patch = patch_of(item.document)
            asks = query("none", "steer-rollout")
            found = session.patch(item.kind, item.name, item.namespace(session), patch, form="strategic", query=asks)
            outcome(item, done, found, form=flags["output"], dry_run="none")

        def refused(item: Manifest) -> str:
            return f'{_grouped(item.kind.plural, item)} "{item.name}" {doing} is not supported'

        _each(session, words, flags, one, kinds=kinds, refused=refused)


def _paused(wanted: bool) -> Any:
    def patch(deployment: Object) -> Object:
        if bool(deployment["spec"].get("paused")) == wanted:
            state = "already paused" if wanted else "not paused"
            raise Failure(f'deployments.apps "{deployment["metadata"]["name"]}" is {state}')
        return {"spec": {"paused": wanted or None}}

    return patch


def _restarted(deployment: Object) -> Object:
    name = deployment["metadata"]["name"]
    if deployment["spec"].get("paused"):
        raise Failure(f'deployments.apps "{name}" can\'t restart paused deployment (run rollout resume first)')
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"spec": {"template": {"metadata": {"annotations": {_RESTARTED: moment}}}}}


_changing("pause", "Mark the provided resource as paused.", "paused", _paused(True), doing="pausing")
_changing("resume", "Resume a paused resource.", "resumed", _paused(False), doing="resuming")
_changing(
    "restart",
    "Restart a resource: its pods are replaced as by an update.",
    "restarted",
    _restarted,
    doing="restarting",
    kinds=_PROGRESS,
)
