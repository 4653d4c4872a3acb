"""Nobody gives rights that he does not hold: of roles and bindings.

One may write a role when he holds all its rules himself, or has the verb ``escalate`` on roles; one may bind a role
when he holds its rules, or has the verb ``bind`` on it. An aggregated role can grow to anything, so it takes all
rights.

Source: k8s.io/kubernetes, pkg/registry/rbac (escalation_check.go, */policybased/storage.go).
"""

from collections.abc import Iterable
from typing import Any

from api.rbac import GROUP, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding
from api.resources import resource_of
from api.rules import EVERYTHING, shown, uncovered
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.authorization.authorizer import Act, Authorizer
from master.apiserver.registry import not_found
from master.apiserver.reservation import Reservation


class Escalation(Step):
    """Compares what is granted with what the writer holds."""

    name = "Escalation"
    kinds = frozenset((Role, ClusterRole, RoleBinding, ClusterRoleBinding))

    def __init__(self, access: Authorizer) -> None:
        self._access = access

    def check(self, write: Write, taken: Reservation) -> None:  # noqa: ARG002 - nothing is taken
        if write.user.is_master:
            return
        if isinstance(write.new, Role | ClusterRole):
            self._check_role(write, write.new)
        else:
            self._check_binding(write, write.new)

    def _check_role(self, write: Write, new: Role | ClusterRole) -> None:
        old: Any = write.old
        if old is not None and old.rules == new.rules and _sum(old) == _sum(new):
            return
        if self._may(write, "escalate", write.resource.plural, write.name):
            return
        if (_sum(new) or _sum(old)) and self._missing(write, EVERYTHING):
            raise forbidden(write, "must have cluster-admin privileges to use an aggregationRule")
        self._confirm(write, new.rules)

    def _check_binding(self, write: Write, new: Any) -> None:
        old: Any = write.old
        if old is not None and (old.subjects, old.role_ref) == (new.subjects, new.role_ref):
            return
        reference = new.role_ref
        kind: type[Role | ClusterRole] = ClusterRole if reference.kind == "ClusterRole" else Role
        if self._may(write, "bind", resource_of(kind).plural, reference.name):
            return
        role = ("" if kind is ClusterRole else write.namespace, reference.name)
        if not self._access.grants.has_role(role):
            raise not_found(resource_of(kind), reference.name)
        self._confirm(write, self._access.grants.rules_of(role))

    def _may(self, write: Write, verb: str, plural: str, name: str) -> bool:
        return self._access.allows(write.user, Act(verb, GROUP, plural, write.namespace, name))

    def _missing(self, write: Write, wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
        try:
            return uncovered(self._access.rules_in(write.user, write.namespace), wanted)
        except ValueError as error:
            raise forbidden(write, str(error)) from error

    def _confirm(self, write: Write, wanted: Iterable[PolicyRule]) -> None:
        missing = self._missing(write, wanted)
        if not missing:
            return
        user = write.user
        groups = " ".join(f'"{group}"' for group in sorted(user.groups))
        raise forbidden(
            write,
            f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
            + "\n".join(_compact(missing)),
        )


def _sum(role: Any) -> Any:
    """What a role is the sum of; None for one with rules of its own, and where there is none."""
    return getattr(role, "aggregation_rule", None)


def _compact(atoms: Iterable[PolicyRule]) -> list[str]:
    """Those that differ in the verb only, in one line."""
    verbs: dict[str, tuple[PolicyRule, list[str]]] = {}
    for atom in atoms:
        bare = shown(PolicyRule(**{name: getattr(atom, name) for name in _BUT_VERBS}))
        verbs.setdefault(bare, (atom, []))[1].extend(atom.verbs)
    rules = [
        PolicyRule(verbs=found, **{name: getattr(atom, name) for name in _BUT_VERBS}) for atom, found in verbs.values()
    ]
    return sorted(shown(rule) for rule in rules)


_BUT_VERBS = ("api_groups", "resources", "resource_names", "non_resource_urls")
