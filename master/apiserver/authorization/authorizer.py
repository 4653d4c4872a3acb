"""May this user do that? The one question, asked for every request and by every review.

``system:masters`` may do everything; everyone else what the rules bound to him or his groups allow.
"""

from dataclasses import dataclass

from api.errors import Forbidden, Unauthorized
from api.meta import StatusDetails
from api.rbac import PolicyRule
from api.rules import EVERYTHING, names_allowed, path_allowed
from master.apiserver.authentication.user import User
from master.apiserver.authorization.grants import Binding, Grants
from master.apiserver.call import Target


@dataclass(frozen=True, slots=True)
class Act:
    """Something done with a resource: ``resource`` is as ``pods`` or ``pods/log``; the rest may be empty."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def act_of(verb: str, target: Target) -> Act:
    """What a request does."""
    resource = target.resource
    return Act(verb, resource.group, target.named, target.namespace, target.name)


class Authorizer:
    """Answers from the grants."""

    def __init__(self, grants: Grants) -> None:
        self.grants = grants

    @property
    def version(self) -> int:
        """Another one whenever ``authorize`` may answer otherwise: until then, what was allowed once still is."""
        return self.grants.version

    def allows(self, user: User, act: Act) -> bool:
        if user.is_master:
            return True
        decision = self.grants.decision(user, act.verb, act.group, act.resource)
        return decision.allows(act.namespace, act.name)

    def allows_path(self, user: User, verb: str, path: str) -> bool:
        return user.is_master or path_allowed(self.grants.cluster_rules(user), verb, path)

    def authorize(self, user: User, verb: str, target: Target) -> None:
        """Raises Unauthorized for one who did not say who he is, Forbidden for one who may not."""
        if user.is_master:
            return
        decision = self.grants.decision(user, verb, target.resource.group, target.named)
        if not decision.allows(target.namespace, target.name):
            raise refusal(user, verb, target)

    def authorize_path(self, user: User, verb: str, path: str) -> None:
        """The same for a path that names no resource."""
        if self.allows_path(user, verb, path):
            return
        if user.is_anonymous:
            raise Unauthorized("Unauthorized")
        raise Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"')

    def rules_in(self, user: User, namespace: str) -> list[PolicyRule]:
        """All that a user may do in a namespace; in the whole cluster when it is empty."""
        return [*(EVERYTHING if user.is_master else ()), *self.grants.rules_in(user, namespace)]

    def reason(self, user: User, act: Act) -> str:
        """Which binding allows an act, as Kubernetes says it; empty when none does, or none is asked for a master."""
        if user.is_master:
            return ""
        for binding in self.grants.bindings_of(user):
            if binding.namespace in ("", act.namespace):
                rules = self.grants.rules_of(binding.role)
                if names_allowed(rules, act.verb, act.group, act.resource).hold(act.name):
                    return _allowed_by(binding, user)
        return ""

    def reason_of_path(self, user: User, verb: str, path: str) -> str:
        """The same for a path that names no resource."""
        if user.is_master:
            return ""
        for binding in self.grants.bindings_of(user):
            if not binding.namespace and path_allowed(self.grants.rules_of(binding.role), verb, path):
                return _allowed_by(binding, user)
        return ""


def refusal(user: User, verb: str, target: Target) -> Unauthorized | Forbidden:
    """Why a request goes no further."""
    if user.is_anonymous:
        return Unauthorized("Unauthorized")
    resource = target.resource
    named = f' "{target.name}"' if target.name else ""
    where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
    message = (
        f'{resource.qualified}{named} is forbidden: User "{user.name}" cannot {verb} resource '
        f'"{target.named}" in API group "{resource.group}"{where}'
    )
    return Forbidden(message, details=StatusDetails(name=target.name, group=resource.group, kind=resource.plural))


def _allowed_by(binding: Binding, user: User) -> str:
    within, name = binding.role
    shown = f'RoleBinding "{binding.name}/{binding.namespace}"'
    if not binding.namespace:
        shown = f'ClusterRoleBinding "{binding.name}"'
    role = f'Role "{name}/{within}"' if within else f'ClusterRole "{name}"'
    held = {("User", user.name)} | {("Group", group) for group in user.groups}
    kind, name = next(subject for subject in binding.subjects if subject in held)
    return f'RBAC: allowed by {shown} of {role} to {kind} "{name}"'
