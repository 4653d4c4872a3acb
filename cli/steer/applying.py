"""What `apply` does to one object."""

import json
import sys

from api.errors import Conflict, NotFound, UnsupportedMediaType
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.notes import NOTE, note_of, with_note
from cli.steer.session import Object, Session
from cli.steer.three_way import three_way

_UNNOTED = (
    "Warning: resource {}/{} is missing the {note} annotation which is required by steer apply. steer apply should "
    "only be used on resources created declaratively by either steer create --save-config or steer apply. The missing "
    "annotation will be patched automatically."
)
_TRIES = 5


def by_server(session: Session, item: Manifest, dry_run: str, validate: str, *, force: bool) -> Object:
    """Merged by the server. Raises Failure where it does not know how to."""
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


def here(session: Session, item: Manifest, dry_run: str, validate: str) -> tuple[str, Object]:
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
            if dry_run == "client":
                return "created", wanted
            return "created", session.call("POST", item.kind.path(namespace), query=query, body=wanted)
        if not note_of(there):
            print(_UNNOTED.format(item.kind.plural, item.name, note=NOTE), file=sys.stderr)
        patch, form = three_way(_noted(there), wanted, there)
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


def tried_by_server(session: Session, item: Manifest, there: Object | None) -> Object:
    """What applying would make of an object, tried by the server and not stored."""
    namespace = item.namespace(session)
    query = {"fieldManager": "steer-client-side-apply", "dryRun": "All"}
    if there is None:
        made: Object = session.call("POST", item.kind.path(namespace), query=query, body=item.document)
        return made
    patch, form = three_way(_noted(there), with_note(item.document, namespace), there)
    if not patch:
        return there
    found: Object = session.patch(item.kind, item.name, namespace, patch, form=form, query=query)
    return found


def _noted(there: Object) -> Object:
    found: Object = json.loads(note_of(there) or "{}")
    return found
