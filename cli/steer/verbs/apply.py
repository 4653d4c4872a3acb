"""`steer apply -f FILE`: creates what is missing, and brings what is there to what the file says."""

import copy
import json
import sys

import click

from api.errors import ApiError, Conflict, NotFound, UnsupportedMediaType
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, Source, labelled, manifests
from cli.steer.session import Object, Session, with_session
from cli.steer.three_way import three_way
from cli.steer.writing import DRY_RUN, VALIDATE, each, failed, options, outcome

_LAST = "kubectl.kubernetes.io/last-applied-configuration"
_UNNOTED = (
    "Warning: resource {}/{} is missing the {note} annotation which is required by steer apply. steer apply should "
    "only be used on resources created declaratively by either steer create --save-config or steer apply. The missing "
    "annotation will be patched automatically."
)
_TRIES = 5


@click.command("apply")
@options(FILES, VALIDATE, DRY_RUN)
@click.option("-l", "--selector", default="", help="Only those objects of the files that have these labels.")
@click.option("--server-side", is_flag=True, help="Let the server merge, by who manages which fields.")
@click.option("--force-conflicts", is_flag=True, help="With --server-side: take fields that others manage.")
@with_session
def command(
    session: Session, filename: tuple[Source, ...], recursive: bool, validate: str, dry_run: str, output: str,
    selector: str, server_side: bool, force_conflicts: bool,
) -> None:  # fmt: skip
    """Apply a configuration to a resource by file name or stdin. It is created if it does not exist yet."""

    if force_conflicts and not server_side:
        raise Failure("--force-conflicts only works with --server-side")
    if server_side and dry_run == "client":
        raise Failure("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")

    def apply(item: Manifest) -> None:
        try:
            if server_side:
                done, found = "serverside-applied", _by_server(session, item, dry_run, validate, force=force_conflicts)
            else:
                done, found = _apply(session, item, dry_run, validate)
        except ApiError as error:
            raise failed(error, "applying", item.source) from error
        outcome(item, done, found, form=output, dry_run=dry_run)

    found = labelled(manifests(session, filename, recursive=recursive), selector)
    if not found:
        raise Failure("no objects passed to apply")
    each(found, apply)


def _by_server(session: Session, item: Manifest, dry_run: str, validate: str, *, force: bool) -> Object:
    """Raises Failure where the server does not know how to."""
    asks: dict[str, str | bool] = {"fieldManager": "kubectl", "fieldValidation": validate, "force": force or ""}
    if dry_run == "server":
        asks["dryRun"] = "All"
    path = item.kind.path(item.namespace(session), item.name)
    try:
        found: Object = session.call(
            "PATCH", path, query=asks, body=item.document, content_type="application/apply-patch+yaml"
        )
    except UnsupportedMediaType as error:
        raise Failure(f"Server-side apply not available on the server: ({error})") from error
    return found


def _apply(session: Session, item: Manifest, dry_run: str, validate: str) -> tuple[str, Object]:
    """What was done, and what is there now. Read and compared again when another was quicker."""
    namespace = item.namespace(session)
    wanted = with_note(item.document, namespace)
    query = {
        "fieldManager": "steer-client-side-apply",
        "fieldValidation": validate,
        "dryRun": "All" if dry_run == "server" else "",
    }
    for left in reversed(range(_TRIES)):
        try:
            there = session.get(item.kind, item.name, namespace)
        except NotFound:
            made = (
                wanted
                if dry_run == "client"
                else session.call("POST", item.kind.path(namespace), query=query, body=wanted)
            )
            return "created", made
        last = (there["metadata"].get("annotations") or {}).get(_LAST)
        if not last:
            print(_UNNOTED.format(item.kind.plural, item.name, note=_LAST), file=sys.stderr)
        patch, form = three_way(json.loads(last) if last else {}, wanted, there)
        if not patch:
            return "unchanged", there
        if dry_run == "client":
            return "configured", there
        try:
            return "configured", session.patch(item.kind, item.name, namespace, patch, form=form, query=query)
        except Conflict:
            if not left:
                raise
    raise AssertionError("unreachable")


def applied_by_server(session: Session, item: Manifest, there: Object | None) -> Object:
    """What applying would make of an object, tried by the server and not stored."""
    namespace = item.namespace(session)
    wanted = with_note(item.document, namespace)
    query = {"fieldManager": "steer-client-side-apply", "dryRun": "All"}
    if there is None:
        made: Object = session.call("POST", item.kind.path(namespace), query=query, body=item.document)
        return made
    last = (there["metadata"].get("annotations") or {}).get(_LAST)
    patch, form = three_way(json.loads(last) if last else {}, wanted, there)
    if not patch:
        return there
    found: Object = session.patch(item.kind, item.name, namespace, patch, form=form, query=query)
    return found


def with_note(document: Object, namespace: str) -> Object:
    """The object with itself noted in it, as kubectl notes it: either may apply what the other did."""
    wanted = copy.deepcopy(document)
    meta = wanted.setdefault("metadata", {})
    if namespace:
        meta["namespace"] = namespace
    annotations = meta.setdefault("annotations", {}) or {}
    annotations.pop(_LAST, None)
    note = json.dumps(wanted, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    meta["annotations"] = {**annotations, _LAST: note}
    return wanted
