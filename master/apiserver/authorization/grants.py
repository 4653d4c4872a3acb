"""Roles and bindings as an index that answers who holds which rules. It follows the tables of the four RBAC kinds.

The rule: no question looks at bindings that are not the asker's. Bindings are found by their subject, roles by their
name, and what was worked out for one user, verb and resource is kept until any role or binding changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.meta import Object
from api.rbac import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject
from api.resources import resource_of
from api.rules import NOTHING, Names, names_allowed
from master.apiserver.authentication.user import ACCOUNT_PREFIX, User
from master.apiserver.cache import Cache, Event, Item

KINDS: tuple[type[Object], ...] = (Role, ClusterRole, RoleBinding, ClusterRoleBinding)
_MOST_KEPT = 16_384

_Who = tuple[str, str]
"""Kind ("User" or "Group") and name."""
_RoleKey = tuple[str, str]
"""Namespace, empty for a ClusterRole, and name."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A role given to someone; ``namespace`` is empty for the whole cluster."""

    namespace: str
    name: str
    role: _RoleKey
    subjects: tuple[_Who, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """For one user, verb and resource: of which objects it is allowed, anywhere and by namespace."""

    anywhere: Names
    by_namespace: dict[str, Names]

    def allows(self, namespace: str, name: str) -> bool:
        if self.anywhere.hold(name):
            return True
        return bool(namespace) and self.by_namespace.get(namespace, NOTHING).hold(name)


class Grants:
    """The index. ``load`` it once; then it follows."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._roles: dict[_RoleKey, tuple[PolicyRule, ...]] = {}
        self._bindings: dict[str, Binding] = {}
        self._by_subject: dict[_Who, dict[str, Binding]] = {}
        # By name and groups alone: what else a token says of a user gives no rights.
        self._kept: dict[tuple[str, frozenset[str], str, str, str], Decision] = {}
        self._everywhere: dict[tuple[str, frozenset[str]], tuple[PolicyRule, ...]] = {}
        self.version = 0
        """Another one after each change of a role or binding: what was decided before may not hold."""

    def load(self) -> None:
        """Take over what is stored, and follow it."""
        for kind in KINDS:
            table = self._cache.table(resource_of(kind))
            for item in table.items():
                self._take(item)
            table.followers.add(self)

    def offer(self, events: list[Event]) -> None:
        for event in events:
            if event.before is not None:
                self._drop(event.before)
            if event.after is not None:
                self._take(event.after)
        self.version += 1
        self._kept.clear()
        self._everywhere.clear()

    def decision(self, user: User, verb: str, group: str, resource: str) -> Decision:
        key = (user.name, user.groups, verb, group, resource)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._decide(user, verb, group, resource)
        return found

    def cluster_rules(self, user: User) -> tuple[PolicyRule, ...]:
        """What a user holds in the whole cluster."""
        key = (user.name, user.groups)
        found = self._everywhere.get(key)
        if found is None:
            if len(self._everywhere) >= _MOST_KEPT:
                self._everywhere.clear()
            held = [rule for one in self.bindings_of(user) if not one.namespace for rule in self.rules_of(one.role)]
            found = self._everywhere[key] = tuple(held)
        return found

    def rules_in(self, user: User, namespace: str) -> list[PolicyRule]:
        """What a user holds in a namespace, with what he holds everywhere."""
        found = list(self.cluster_rules(user))
        for binding in self.bindings_of(user):
            if namespace and binding.namespace == namespace:
                found += self.rules_of(binding.role)
        return found

    def bindings_of(self, user: User) -> Iterator[Binding]:
        """Each binding that names the user or one of his groups; one may come twice."""
        yield from self._by_subject.get(("User", user.name), {}).values()
        for group in sorted(user.groups):
            yield from self._by_subject.get(("Group", group), {}).values()

    def rules_of(self, role: _RoleKey) -> tuple[PolicyRule, ...]:
        """None at all of a role that does not exist."""
        return self._roles.get(role, ())

    def has_role(self, role: _RoleKey) -> bool:
        return role in self._roles

    def _decide(self, user: User, verb: str, group: str, resource: str) -> Decision:
        anywhere, by_namespace = NOTHING, dict[str, Names]()
        for binding in self.bindings_of(user):
            names = names_allowed(self.rules_of(binding.role), verb, group, resource)
            if not names:
                continue
            if binding.namespace:
                by_namespace[binding.namespace] = by_namespace.get(binding.namespace, NOTHING) | names
            else:
                anywhere |= names
        return Decision(anywhere, by_namespace)

    def _take(self, item: Item) -> None:
        new: Any = item.decode()
        if isinstance(new, Role | ClusterRole):
            self._roles[item.namespace, item.name] = tuple(new.rules)
            return
        role = ("" if new.role_ref.kind == "ClusterRole" else item.namespace, new.role_ref.name)
        subjects = tuple(dict.fromkeys(who(one, item.namespace) for one in new.subjects))
        binding = self._bindings[item.key] = Binding(item.namespace, item.name, role, subjects)
        for subject in subjects:
            self._by_subject.setdefault(subject, {})[item.key] = binding

    def _drop(self, item: Item) -> None:
        if item.table.resource.type in (Role, ClusterRole):
            self._roles.pop((item.namespace, item.name), None)
            return
        binding = self._bindings.pop(item.key, None)
        for subject in binding.subjects if binding is not None else ():
            held = self._by_subject[subject]
            held.pop(item.key, None)
            if not held:
                del self._by_subject[subject]


def who(subject: Subject, namespace: str) -> _Who:
    """A subject as the user or group that it stands for."""
    if subject.kind == "ServiceAccount":
        return "User", f"{ACCOUNT_PREFIX}{subject.namespace or namespace}:{subject.name}"
    return subject.kind, subject.name
