"""`steer auth reconcile`: roles and bindings of files are brought about, and what that takes is told."""

import contextlib
import sys
from typing import Any

from api.errors import AlreadyExists, Conflict, Forbidden, NotFound
from cli.steer import reconciling
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session
from cli.steer.writing import outcome

_GROUP, _VERSION = "rbac.authorization.k8s.io", "v1"
_ROLES, _BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")
_TRIES = 3


def reconciled(session: Session, item: Manifest, flags: dict[str, Any]) -> None:
    """Other kinds are passed over. Raises Failure."""
    kind = item.kind
    if kind.group != _GROUP or kind.kind not in (*_ROLES, *_BINDINGS):
        return
    if kind.version != _VERSION:
        raise Failure(f"only {_GROUP}/{_VERSION} is supported: not *{kind.version}.{kind.kind}")
    is_role = kind.kind in _ROLES
    exact = flags["remove_extra_permissions" if is_role else "remove_extra_subjects"]
    found, result = _brought_about(session, item, exact=exact, dry_run=flags["dry_run"])
    outcome(item, "reconciled", result, form=flags["output"], dry_run=flags["dry_run"])
    for line in _told(found, is_role=is_role, exact=exact):
        print(f"\t{line}", file=sys.stderr)


def _brought_about(
    session: Session, item: Manifest, *, exact: bool, dry_run: str
) -> tuple[reconciling.Found, Object]:  # fmt: skip
    """Looked at anew when another was quicker."""
    for left in reversed(range(_TRIES)):
        found = _compared(session, item, exact=exact)
        if dry_run == "client" or found.protected or not found.operation:
            return found, found.wanted
        try:
            return found, _written(session, item, found)
        except (AlreadyExists, Conflict, NotFound):
            if not left:
                raise
    raise AssertionError("unreachable")


def _compared(session: Session, item: Manifest, *, exact: bool) -> reconciling.Found:
    wanted, space = item.document, item.namespace(session)
    try:
        there: Object | None = session.get(item.kind, item.name, space)
    except NotFound:
        there = None
    if space:
        wanted = {**wanted, "metadata": {**wanted["metadata"], "namespace": space}}
    if item.kind.kind in _ROLES:
        return reconciling.role(wanted, there, exact=exact)
    return reconciling.binding(wanted, there, exact=exact)


def _written(session: Session, item: Manifest, found: reconciling.Found) -> Object:
    space = item.namespace(session)
    path = item.kind.path(space, item.name)
    if found.operation == "recreate":
        session.call("DELETE", path, body={"preconditions": {"uid": found.uid}})
    elif found.operation == "create" and space:
        _ensure(session, space)
    method, path = ("PUT", path) if found.operation == "update" else ("POST", item.kind.path(space))
    made: Object = session.call(method, path, body=found.wanted)
    return made


def _ensure(session: Session, space: str) -> None:
    """That the namespace is there. One who may not see or make any learns from what follows whether it is."""
    kind = session.discovery.find("namespaces")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    try:
        session.get(kind, space, "")
    except Forbidden:
        return
    except NotFound:
        with contextlib.suppress(AlreadyExists, Forbidden):
            session.call("POST", kind.path(), body=body)


def _told(found: reconciling.Found, *, is_role: bool, exact: bool) -> list[str]:
    if not found.operation:
        return []
    caveat = ", but object opted out (rbac.authorization.kubernetes.io/autoupdate: false)" if found.protected else ""
    what, text = ("rules", reconciling.rule_text) if is_role else ("subjects", reconciling.subject_text)
    lines = [f"reconciliation required {found.operation}{caveat}"]
    for title, parts in ((f"missing {what} added:", found.missing), (f"extra {what} removed:", found.extra)):
        if parts and (exact or parts is found.missing):
            lines += [title, *(f"\t{text(part)}" for part in parts)]
    return lines
