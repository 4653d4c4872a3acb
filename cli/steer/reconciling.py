"""What `auth reconcile` makes of a role or binding that is there: what was granted stays unless told to go.

Rules are compared by what they allow, one verb of one resource at a time. Source: k8s.io/component-helpers,
auth/rbac/reconciliation and auth/rbac/validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.codec import convert, plain
from api.rbac import PolicyRule
from api.rules import uncovered as rules_uncovered
from cli.steer.failures import Failure

Object = dict[str, Any]
Part = dict[str, Any]

_OPTED_OUT = "rbac.authorization.kubernetes.io/autoupdate"


@dataclass(frozen=True, slots=True)
class Found:
    """``operation``: create, update, recreate or nothing; ``wanted``: what is to be there then; rules or subjects that
    were ``missing`` and those that are ``extra``. ``protected``: the object may not be changed. ``uid``: of the
    one that is to be made anew."""

    operation: str
    wanted: Object
    missing: Sequence[Part] = ()
    extra: Sequence[Part] = ()
    protected: bool = False
    uid: str = ""


def role(wanted: Object, there: Object | None, *, exact: bool) -> Found:
    """Of a role or cluster role. ``exact``: extra rules go."""
    rules = wanted.get("rules") or []
    if there is None:
        return Found("create", wanted, rules)
    made, changed = _with_notes(wanted, there)
    had = there.get("rules") or []
    selectors, had_selectors = _selectors(wanted), _selectors(there)
    missing = [] if selectors else uncovered(had, rules)
    extra = [] if selectors and had_selectors else uncovered(rules, had)
    if missing or (exact and extra):
        made["rules"], changed = rules if exact else [*had, *missing], True
    new = [one for one in selectors if one not in had_selectors]
    if new or (exact and len(had_selectors) > len(selectors)):
        chosen = selectors if exact else [*had_selectors, *new]
        made["aggregationRule"], changed = {"clusterRoleSelectors": chosen}, True
    return Found("update" if changed else "", made, missing, extra, _protected(there))


def binding(wanted: Object, there: Object | None, *, exact: bool) -> Found:
    """Of a role binding or cluster role binding. ``exact``: extra subjects go."""
    subjects = wanted.get("subjects") or []
    if there is None:
        return Found("create", wanted, subjects)
    if wanted["roleRef"] != there["roleRef"]:
        return Found("recreate", wanted, protected=_protected(there), uid=there["metadata"]["uid"])
    made, changed = _with_notes(wanted, there)
    had = there.get("subjects") or []
    missing = [one for one in subjects if one not in had]
    extra = [one for one in had if one not in subjects]
    if missing or (exact and extra):
        made["subjects"], changed = subjects if exact else [*had, *missing], True
    return Found("update" if changed else "", made, missing, extra, _protected(there))


def uncovered(rules: Sequence[Part], asked: Sequence[Part]) -> list[Part]:
    """What of ``asked`` no rule allows, in rules of one verb. Raises Failure for more than anyone means."""
    held, wanted = ([convert(one, PolicyRule) for one in some] for some in (rules, asked))
    try:
        return [plain(one) for one in rules_uncovered(held, wanted)]
    except ValueError as error:
        raise Failure(str(error)) from error


def rule_text(rule: Part) -> str:
    """As Go prints it."""
    return _text(rule, {"verbs": "Verbs", "apiGroups": "APIGroups", "resources": "Resources",
                        "resourceNames": "ResourceNames", "nonResourceURLs": "NonResourceURLs"})  # fmt: skip


def subject_text(subject: Part) -> str:
    """As Go prints it."""
    return _text(subject, {"kind": "Kind", "apiGroup": "APIGroup", "name": "Name", "namespace": "Namespace"})


def _text(part: Part, names: dict[str, str]) -> str:
    def shown(value: Any) -> str:
        return value if isinstance(value, str) else f"[{' '.join(value)}]"

    empty: Any = [] if "verbs" in names else ""
    return "{" + " ".join(f"{shown_as}:{shown(part.get(name) or empty)}" for name, shown_as in names.items()) + "}"


def _with_notes(wanted: Object, there: Object) -> tuple[Object, bool]:
    """What is there with the labels and annotations that it lacks; whether it lacked any."""
    meta = dict(there["metadata"])
    for field in ("annotations", "labels"):
        if notes := {**(wanted["metadata"].get(field) or {}), **(meta.get(field) or {})}:
            meta[field] = notes
    return {**there, "metadata": meta}, meta != there["metadata"]


def _protected(there: Object) -> bool:
    return (there["metadata"].get("annotations") or {}).get(_OPTED_OUT) == "false"


def _selectors(found: Object) -> list[Part]:
    return (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
