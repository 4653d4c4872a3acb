"""`steer delete`: by file, by name, by selector; waits until the objects are gone."""

import sys
from dataclasses import dataclass
from typing import Any

import click

from api.errors import ApiError, NotFound
from cli.steer.discovery import Kind
from cli.steer.durations import DURATION
from cli.steer.failures import Failure, Several, told
from cli.steer.files import FILES
from cli.steer.manifests import manifests
from cli.steer.selection import chosen
from cli.steer.session import Session, with_session
from cli.steer.watching import deadline, until_gone
from cli.steer.writing import ONLY_DRY, options, tried

_CASCADES = {
    "background": "Background",
    "foreground": "Foreground",
    "orphan": "Orphan",
    "true": "Background",
    "false": "Orphan",
}

_FORCED = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The "
    "resource may continue to run on the cluster indefinitely."
)


@dataclass(frozen=True, slots=True)
class Target:
    """An object that goes; ``source`` is the file that names it."""

    kind: Kind
    namespace: str
    name: str
    source: str = ""

    @property
    def doing(self) -> str:
        """What a failure is told with."""
        return f'error when deleting "{self.source}"' if self.source else ""


@click.command("delete")
@click.argument("words", nargs=-1, metavar="TYPE NAME… | TYPE/NAME…")
@options(FILES)
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("--field-selector", default="", help="Field selector.")
@click.option("--all", "everything", is_flag=True, help="Delete all resources of the types in the namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--grace-period", type=int, default=-1, help="Seconds to end gracefully; -1: each one's own.")
@click.option("--now", is_flag=True, help="Signal for immediate shutdown: a grace period of 1 s.")
@click.option("--force", is_flag=True, help="Remove from the API at once; what runs may run on.")
@click.option(
    "--cascade", default="background", type=click.Choice(sorted(_CASCADES)), help="What becomes of dependents."
)
@click.option("--ignore-not-found", is_flag=True, help="What is not there counts as deleted.")
@click.option("--wait/--no-wait", default=True, help="Wait until finalizers and grace are over.")
@click.option("--timeout", type=DURATION, default="0s", help="How long to wait; 0: as long as it takes.")
@click.option("-o", "--output", default="", type=click.Choice(["", "name"]), help="name: only names are printed.")
@click.option("--raw", default="", help="A path on the server, which is deleted as it is.")
@options(ONLY_DRY)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Delete resources by file names, stdin, resources and names, or by resources and label selector."""
    if flags["raw"]:
        sys.stdout.write(session.transport.request("DELETE", flags["raw"]).decode(errors="replace"))
        return
    body = _options(flags)
    dry_run = flags["dry_run"]
    targets = _targets(session, words, flags)
    if not targets and not flags["ignore_not_found"]:
        print("No resources found")
    bad = False
    gone: list[tuple[Target, str]] = []
    for target in targets:
        try:
            answer = _deleted(session, target, body, dry_run)
        except NotFound as error:
            bad |= not flags["ignore_not_found"]
            if not flags["ignore_not_found"]:
                print(told(error, doing=target.doing), file=sys.stderr)
            continue
        except ApiError as error:
            bad = True
            print(told(error, doing=target.doing), file=sys.stderr)
            continue
        about = (answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")) or {}
        gone.append((target, about.get("uid", "")))
        tell(target, short=flags["output"] == "name", forced=flags["force"], dry_run=dry_run)
    if flags["wait"] and dry_run == "none":
        _wait(session, gone, flags["timeout"])
    if bad:
        raise Several


def _deleted(session: Session, target: Target, body: dict[str, Any], dry_run: str) -> dict[str, Any]:
    """What the server says of it; with a dry run of ours it is not asked, as kubectl does not."""
    if dry_run == "client":
        return {}
    asks = {"dryRun": "All"} if dry_run == "server" else None
    answer: dict[str, Any] = session.call(
        "DELETE", target.kind.path(target.namespace, target.name), query=asks, body=body
    )
    return answer


def _options(flags: dict[str, Any]) -> dict[str, Any]:
    grace_s = flags["grace_period"]
    if flags["now"]:
        if grace_s != -1:
            raise Failure("--now and --grace-period cannot be specified together")
        grace_s = 1
    if flags["force"] and grace_s < 0:
        grace_s = 0
    if grace_s == 0 and not flags["force"]:
        grace_s = 1  # as kubectl: only --force skips the node's word
    if flags["force"]:
        print(_FORCED, file=sys.stderr)
    grace = {"gracePeriodSeconds": grace_s} if grace_s >= 0 else {}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": _CASCADES[flags["cascade"]], **grace}


def _targets(session: Session, words: tuple[str, ...], flags: dict[str, Any]) -> list[Target]:
    if flags["filename"]:
        items = manifests(session, flags["filename"], recursive=flags["recursive"])
        return [Target(item.kind, item.namespace(session), item.name, item.source) for item in items]
    found: list[Target] = []
    for one in chosen(session, words):
        space = session.space(one.kind, everywhere=flags["all_namespaces"])
        if one.names:
            if flags["selector"] or flags["everything"]:
                raise Failure("name cannot be provided when a selector is specified")
            found += [Target(one.kind, space, name) for name in one.names]
            continue
        if not (flags["selector"] or flags["field_selector"] or flags["everything"]):
            raise Failure("resource(s) were provided, but no name was specified")
        for item in session.list(one.kind, space, labels=flags["selector"], fields=flags["field_selector"]):
            found.append(Target(one.kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]))
    return found


def tell(target: Target, *, short: bool, forced: bool = False, dry_run: str = "none") -> None:
    """That it is deleted."""
    if short:
        print(f"{target.kind.qualified}/{target.name}", flush=True)
        return
    how = "force deleted" if forced else "deleted"
    where = f" from {target.namespace} namespace" if target.namespace else ""
    print(f'{target.kind.qualified} "{target.name}" {how}{where}{tried(dry_run)}', flush=True)


def _wait(session: Session, gone: list[tuple[Target, str]], limit_s: float) -> None:
    end = deadline(limit_s)
    for target, uid in gone:
        if not until_gone(session, target.kind, target.name, target.namespace, uid, end):
            raise Failure(f"timed out waiting for the condition on {target.kind.plural}/{target.name}")
