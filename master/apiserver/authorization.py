"""Who may do what: a small fixed table of the least rights that each component needs.

``system:masters`` may do everything. Anyone who proved who he is may see discovery, schemas and health; without proof
only health and version are open. A rule allows verbs on resources (``pods/log`` is one of its own); nothing forbids.
A dynamic policy (RBAC) takes the place of ``POLICY`` behind the same question, ``is_allowed``.
"""

from dataclasses import dataclass
from functools import lru_cache

from api.errors import Forbidden, Unauthorized
from api.meta import StatusDetails
from master.apiserver.authentication import MASTERS_GROUP, User
from master.apiserver.call import Target

_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
_COMMON_PATHS = ("/api", "/apis", "/openapi", "/swagger-ui", *_OPEN_PATHS)
_READ = frozenset({"get", "list", "watch"})
ANY = "*"
"""All resources, but not their subresources."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows the verbs on the resources, given as ``pods``, ``pods/status``, ``leases.coordination.k8s.io``."""

    verbs: frozenset[str]
    resources: frozenset[str]


def _rule(verbs: str | frozenset[str], *resources: str) -> Rule:
    return Rule(frozenset(verbs.split()) if isinstance(verbs, str) else verbs, frozenset(resources))


_EVENTS = _rule("create patch update", "events")
_LEASES = _rule("get create update patch", "leases.coordination.k8s.io")

# By user or group.
POLICY: dict[str, tuple[Rule, ...]] = {
    "system:kube-controller-manager": (
        # The namespace controller empties a namespace, and the garbage collector clears up, whatever is in it.
        _rule(_READ | {"delete", "deletecollection"}, ANY),
        _rule("create update patch", "pods", "endpoints", "endpointslices.discovery.k8s.io", "serviceaccounts"),
        _rule("update patch", "replicationcontrollers", "nodes", "services", "namespaces", "configmaps"),
        _rule("update patch", "replicationcontrollers/status", "nodes/status", "pods/status", "namespaces/status"),
        _rule("get update patch", "replicationcontrollers/scale"),
        _rule("update", "namespaces/finalize"),
        _EVENTS,
        _LEASES,
    ),
    "system:kube-scheduler": (
        _rule(_READ, "pods", "nodes", "namespaces", "services", "replicationcontrollers"),
        _rule("create", "pods/binding", "bindings"),
        _rule("update patch", "pods/status"),
        _rule("delete", "pods"),
        _EVENTS,
        _LEASES,
    ),
    "system:nodes": (
        _rule(_READ, "pods", "nodes", "services", "endpoints", "namespaces"),
        _rule(_READ, "configmaps", "secrets", "serviceaccounts"),
        _rule("create update patch delete", "nodes"),
        _rule("update patch", "nodes/status", "pods/status"),
        _rule("create delete", "pods"),
        _EVENTS,
        _LEASES,
    ),
    "system:kube-proxy": (
        _rule(_READ, "services", "endpoints", "endpointslices.discovery.k8s.io"),
        _rule(_READ, "nodes"),
        _EVENTS,
    ),
    "steersman:dns": (
        _rule(_READ, "services", "endpoints", "endpointslices.discovery.k8s.io", "pods", "namespaces", "nodes"),
        _EVENTS,
    ),
}


@lru_cache(maxsize=8192)
def is_allowed(user: User, verb: str, qualified: str) -> bool:
    """Whether a user may do this with this resource or subresource."""
    if MASTERS_GROUP in user.groups:
        return True
    return any(
        verb in rule.verbs and (qualified in rule.resources or (ANY in rule.resources and "/" not in qualified))
        for who in (user.name, *user.groups)
        for rule in POLICY.get(who, ())
    )


def authorize(user: User, verb: str, target: Target) -> None:
    """Raises Unauthorized for one who did not say who he is, Forbidden for one who may not."""
    if is_allowed(user, verb, _policy_name(target)):
        return
    if user.is_anonymous:
        raise Unauthorized("Unauthorized")
    raise _forbidden(user, verb, target)


def _policy_name(target: Target) -> str:
    resource = target.resource
    if not target.subresource:
        return resource.qualified
    suffix = f".{resource.group}" if resource.group else ""
    return f"{resource.plural}/{target.subresource}{suffix}"


def authorize_path(user: User, path: str) -> None:
    """The same for a path that names no resource."""
    if MASTERS_GROUP in user.groups or _below(path, _OPEN_PATHS):
        return
    if user.is_anonymous:
        raise Unauthorized("Unauthorized")
    if not _below(path, _COMMON_PATHS):
        raise Forbidden(f'forbidden: User "{user.name}" cannot get path "{path}"')


def _below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def _forbidden(user: User, verb: str, target: Target) -> Forbidden:
    resource = target.resource
    named = f' "{target.name}"' if target.name else ""
    where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
    subresource = f"/{target.subresource}" if target.subresource else ""
    message = (
        f'{resource.qualified}{named} is forbidden: User "{user.name}" cannot {verb} resource '
        f'"{resource.plural}{subresource}" in API group "{resource.group}"{where}'
    )
    return Forbidden(message, details=StatusDetails(name=target.name, group=resource.group, kind=resource.plural))
