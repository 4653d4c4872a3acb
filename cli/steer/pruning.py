"""`apply --prune`: what was applied once, has the labels, and is not in the files any more, is deleted.

It looks in the namespaces of the files only, and at objects with kubectl's note only: what was made otherwise, and what
controllers made, stays.
"""

from collections.abc import Sequence

from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.notes import note_of
from cli.steer.session import Object, Session
from cli.steer.writing import outcome

# Group, version and kind, in kubectl's order. Those of no namespace are left alone where one was named.
_KINDS = (
    "core/v1/ConfigMap", "core/v1/Endpoints", "core/v1/PersistentVolumeClaim", "core/v1/Pod",
    "core/v1/ReplicationController", "core/v1/Secret", "core/v1/Service", "batch/v1/Job", "batch/v1/CronJob",
    "networking.k8s.io/v1/Ingress", "apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/ReplicaSet",
    "apps/v1/StatefulSet", "core/v1/Namespace", "core/v1/PersistentVolume",
)  # fmt: skip


def kinds(session: Session, allowed: Sequence[str]) -> list[Kind]:
    """Those that are named, or kubectl's own choice as far as the server has them. Raises Failure."""
    if not allowed:
        found = filter(None, (_kind(session, word) for word in _KINDS))
        return [kind for kind in found if kind.namespaced or not session.has_namespace]
    named: list[Kind] = []
    for word in allowed:
        if word.count("/") != 2:
            raise Failure(f"invalid GroupVersionKind format: {word}, please follow <group/version/kind>")
        kind = _kind(session, word)
        if kind is None:
            group, version, name = word.split("/")
            there = version if group == "core" else f"{group}/{version}"
            raise Failure(f'no matches for kind "{name}" in version "{there}"')
        named.append(kind)
    return named


def _kind(session: Session, word: str) -> Kind | None:
    group, version, name = word.split("/")
    return session.discovery.of(version if group == "core" else f"{group}/{version}", name)


def prune(
    session: Session, applied: list[tuple[Manifest, Object]], kinds: list[Kind], *, labels: str, dry_run: str, form: str
) -> None:
    """``applied``: what the files name, and what is there of it."""
    uids = {found["metadata"].get("uid") for _, found in applied}
    spaces = sorted({item.namespace(session) for item, _ in applied} - {""})
    places = [(kind, space) for space in spaces for kind in kinds if kind.namespaced]
    for kind, space in [*places, *((kind, "") for kind in kinds if not kind.namespaced)]:
        for found in session.list(kind, space, labels=labels):
            if note_of(found) and found["metadata"]["uid"] not in uids:
                _delete(session, kind, space, found, dry_run)
                outcome(Manifest(found, kind, ""), "pruned", found, form=form, dry_run=dry_run)


def _delete(session: Session, kind: Kind, space: str, found: Object, dry_run: str) -> None:
    """That object, and no other that has taken its name since."""
    if dry_run == "client":
        return
    body: Object = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": found["metadata"]["uid"]},
        "dryRun": ["All"] if dry_run == "server" else [],
    }
    session.call("DELETE", kind.path(space, found["metadata"]["name"]), body=body)
