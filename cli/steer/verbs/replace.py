"""`steer replace -f FILE`: an object is put in the place of the one that is there."""

import time
from dataclasses import replace as substitute

import click

from api.errors import ApiError, NotFound
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, Source, manifests
from cli.steer.notes import with_note
from cli.steer.session import Object, Session, with_session
from cli.steer.verbs.delete import Target, tell
from cli.steer.writing import DRY_RUN, SAVE_CONFIG, VALIDATE, each, failed, options, outcome

_GONE_LIMIT_S = 300.0


@click.command("replace")
@options(FILES, VALIDATE, DRY_RUN, SAVE_CONFIG)
@click.option("--force", is_flag=True, help="Delete the resource first, then create it again.")
@click.option("--grace-period", type=int, default=-1, help="With --force: seconds to end gracefully; -1: its own.")
@with_session
def command(
    session: Session,
    filename: tuple[Source, ...],
    recursive: bool,
    validate: str,
    dry_run: str,
    output: str,
    force: bool,
    grace_period: int,
    save_config: bool,
) -> None:
    """Replace a resource by file name or stdin."""

    if force and dry_run != "none":
        raise Failure("--dry-run can not be used when --force is set")

    def replace(item: Manifest) -> None:
        namespace = item.namespace(session)
        if save_config:
            item = substitute(item, document=with_note(item.document, namespace))
        try:
            if force:
                _away(session, item, namespace, grace_period, form=output)
                asks = {"fieldManager": "steer-replace", "fieldValidation": validate}
                found = session.call("POST", item.kind.path(namespace), query=asks, body=item.document)
            else:
                found = _put(session, item, namespace, dry_run, validate)
        except ApiError as error:
            raise failed(error, "replacing", item.source) from error
        outcome(item, "replaced", found, form=output, dry_run=dry_run)

    found = list(manifests(session, filename, recursive=recursive))
    if force and not found:  # as with kubectl: without --force nothing is said
        raise Failure("no objects passed to replace")
    each(found, replace)


def _put(session: Session, item: Manifest, namespace: str, dry_run: str, validate: str) -> Object:
    query = {
        "fieldManager": "steer-replace",
        "fieldValidation": validate,
        "dryRun": "All" if dry_run == "server" else "",
    }
    if dry_run == "client":
        return item.document
    found: Object = session.call("PUT", item.kind.path(namespace, item.name), query=query, body=item.document)
    return found


def _away(session: Session, item: Manifest, namespace: str, grace_s: int, *, form: str) -> None:
    options_ = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    body = options_ | ({"gracePeriodSeconds": grace_s} if grace_s >= 0 else {})
    try:
        session.call("DELETE", item.kind.path(namespace, item.name), body=body)
        tell(Target(item.kind, namespace, item.name), short=form == "name")
        end = time.monotonic() + _GONE_LIMIT_S
        while time.monotonic() < end:
            session.get(item.kind, item.name, namespace)
            time.sleep(0.2)
    except NotFound:
        return
    raise Failure(f"timed out waiting for {item.shown} to be deleted")
