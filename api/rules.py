"""What RBAC's rules mean. Pure: rules and questions in, answers out.

A rule allows; nothing forbids. ``*`` stands for every verb, group or resource with its subresources, ``*/scale`` for
that subresource of every resource, and a path that ends in ``*`` for all that begin like it. Resource names narrow a
rule to single objects, so such a rule never allows a create or a list of everything.

Source: k8s.io/kubernetes, pkg/apis/rbac/v1 (evaluation_helpers.go) and component-helpers, rbac/validation (Covers).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.rbac import PolicyRule

ALL = "*"
EVERYTHING = (
    PolicyRule(verbs=[ALL], api_groups=[ALL], resources=[ALL]),
    PolicyRule(verbs=[ALL], non_resource_urls=[ALL]),
)
_MOST_ATOMS = 20_000
# Each wanted one is held against each held one, on the event loop, and whoever may write roles chooses both: some
# seconds at most.
_MOST_COMPARED = 2_000_000


@dataclass(frozen=True, slots=True)
class Names:
    """Of which objects something may be done: of all, or of those with these names."""

    every: bool = False
    single: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.every or bool(self.single)

    def hold(self, name: str) -> bool:
        """``name`` is empty for an act that is about no single object."""
        return self.every or (name != "" and name in self.single)

    def __or__(self, other: "Names") -> "Names":
        return NOTHING if not self and not other else Names(self.every or other.every, self.single | other.single)


NOTHING = Names()


def names_allowed(rules: Iterable[PolicyRule], verb: str, group: str, resource: str) -> Names:
    """The objects of which the rules allow it; ``resource`` is as ``pods`` or ``pods/log``."""
    single: set[str] = set()
    for rule in rules:
        if not rule.resources or not _has(rule.verbs, verb) or not _has(rule.api_groups, group):
            continue
        if not _has_resource(rule.resources, resource):
            continue
        if not rule.resource_names:
            return Names(every=True)
        single.update(rule.resource_names)
    return Names(single=frozenset(single)) if single else NOTHING


def path_allowed(rules: Iterable[PolicyRule], verb: str, path: str) -> bool:
    """``verb`` is the HTTP method in lower case."""
    return any(_has(rule.verbs, verb) and _has_path(rule.non_resource_urls, path) for rule in rules)


def uncovered(held: Iterable[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The part of the wanted rules that one who holds ``held`` does not hold, in rules of one verb and resource each.

    Raises ValueError for rules that stand for more combinations than anyone means.
    """
    own, atoms = list(held), 0
    missing: list[PolicyRule] = []
    for number, rule in enumerate(wanted, 1):
        if any(_covers(one, rule) for one in own):
            continue
        atoms += _size(rule)
        if (number + atoms) * len(own) > _MOST_COMPARED:
            raise ValueError(f"more than {_MOST_COMPARED} comparisons with the rules that are held already")
        if atoms > _MOST_ATOMS:
            raise ValueError(f"the rules stand for more than {_MOST_ATOMS} combinations")
        missing += [atom for atom in _atoms(rule) if not any(_covers(one, atom) for one in own)]
    return missing


def shown(rule: PolicyRule) -> str:
    """A rule as Kubernetes' messages show it: ``{APIGroups:[""], Resources:["pods"], Verbs:["get"]}``."""
    parts = (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.resource_names),
        ("NonResourceURLs", rule.non_resource_urls),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:[{_quoted(values)}]" for name, values in parts if values) + "}"


def _quoted(values: Iterable[str]) -> str:
    return " ".join(f'"{value}"' for value in values)


def _has(allowed: list[str], value: str) -> bool:
    return value in allowed or ALL in allowed


def _has_resource(allowed: list[str], resource: str) -> bool:
    if resource in allowed or ALL in allowed:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in allowed


def _has_path(allowed: list[str], path: str) -> bool:
    return any(one == path or (one.endswith(ALL) and path.startswith(one.rstrip(ALL))) for one in allowed)


def _covers(own: PolicyRule, rule: PolicyRule) -> bool:
    """Whether one rule alone allows all that another does."""
    if not _has_all(own.verbs, rule.verbs):
        return False
    if rule.non_resource_urls:
        return all(_has_path(own.non_resource_urls, path) for path in rule.non_resource_urls)
    if not own.resources or not _has_all(own.api_groups, rule.api_groups):
        return False
    if own.resource_names and not (rule.resource_names and set(rule.resource_names) <= set(own.resource_names)):
        return False
    return all(_has_resource(own.resources, resource) for resource in rule.resources)


def _has_all(allowed: list[str], values: list[str]) -> bool:
    return ALL in allowed or set(values) <= set(allowed)


def _size(rule: PolicyRule) -> int:
    resources = len(rule.api_groups) * len(rule.resources) * max(len(rule.resource_names), 1)
    return len(rule.verbs) * (resources + len(rule.non_resource_urls))


def _atoms(rule: PolicyRule) -> Iterator[PolicyRule]:
    """In the order of Kubernetes' ``BreakdownRule``."""
    for group in rule.api_groups:
        for resource in rule.resources:
            for verb in rule.verbs:
                for name in rule.resource_names or ("",):
                    names = [name] if name else []
                    yield PolicyRule(verbs=[verb], api_groups=[group], resources=[resource], resource_names=names)
    for path in rule.non_resource_urls:
        for verb in rule.verbs:
            yield PolicyRule(verbs=[verb], non_resource_urls=[path])
