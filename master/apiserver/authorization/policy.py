"""The roles and bindings that every cluster begins with: Kubernetes' own, and those of our components.

``view``, ``edit`` and ``admin`` add up the roles that carry their label, so that a further kind (or a role of
one's own with the label) joins them without a change here. A component's role holds what its work needs
and nothing else.
"""

from api.meta import LabelSelector, Object, ObjectMeta
from api.rbac import GROUP, AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from api.rules import EVERYTHING

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-{}"

_READ = "get list watch"
_WRITE = "create update patch delete deletecollection"
_CORE, _APPS, _LEASES, _SLICES = "", "apps", "coordination.k8s.io", "discovery.k8s.io"
_POLICY, _STORAGE = "policy", "storage.k8s.io"
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def _rule(verbs: str, group: str, *resources: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), api_groups=[group], resources=list(resources))


def _paths(*paths: str) -> PolicyRule:
    return PolicyRule(verbs=["get"], non_resource_urls=list(paths))


def _events() -> list[PolicyRule]:
    return [_rule("create patch update", _CORE, "events"), _rule("create patch update", "events.k8s.io", "events")]


_HEALTH = ("/healthz", "/healthz/*", "/livez", "/livez/*", "/readyz", "/readyz/*", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/swagger-ui", "/swagger-ui/*")
_LEASE_RULE = _rule("get create update patch", _LEASES, "leases")

_VIEW = [
    _rule(_READ, "metrics.k8s.io", "nodes", "pods"),
    _rule(
        _READ,
        _CORE,
        "configmaps",
        "endpoints",
        "persistentvolumeclaims",
        "persistentvolumeclaims/status",
        "pods",
        "pods/status",
        "pods/log",
        "podtemplates",
        "replicationcontrollers",
        "replicationcontrollers/status",
        "replicationcontrollers/scale",
        "serviceaccounts",
        "services",
        "services/status",
        "bindings",
        "events",
        "limitranges",
        "namespaces",
        "namespaces/status",
        "resourcequotas",
        "resourcequotas/status",
    ),
    _rule(
        _READ,
        _APPS,
        "deployments",
        "deployments/status",
        "deployments/scale",
        "replicasets",
        "replicasets/status",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/status",
        "statefulsets/scale",
        "daemonsets",
        "daemonsets/status",
    ),
    _rule(_READ, _POLICY, "poddisruptionbudgets", "poddisruptionbudgets/status"),
    _rule(_READ, _SLICES, "endpointslices"),
    _rule(_READ, "events.k8s.io", "events"),
    _rule(_READ, _LEASES, "leases"),
]
_EDIT = [
    _rule(_READ, _CORE, "secrets", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"),
    _rule("impersonate", _CORE, "serviceaccounts"),
    _rule(
        _WRITE,
        _CORE,
        "configmaps",
        "events",
        "persistentvolumeclaims",
        "pods",
        "pods/attach",
        "pods/exec",
        "pods/portforward",
        "pods/proxy",
        "podtemplates",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "secrets",
        "serviceaccounts",
        "services",
        "services/proxy",
    ),
    _rule("create", _CORE, "pods/eviction", "serviceaccounts/token"),
    _rule(_WRITE, _APPS, "deployments", "deployments/scale", "replicasets", "replicasets/scale"),
    _rule(_WRITE, _APPS, "statefulsets", "statefulsets/scale", "daemonsets"),
    _rule(_WRITE, _POLICY, "poddisruptionbudgets"),
    _rule("create", _APPS, "deployments/rollback"),
    _rule(_WRITE, _LEASES, "leases"),
]
_ADMIN = [
    _rule("create", _AUTHORIZATION, "localsubjectaccessreviews"),
    _rule(f"{_READ} {_WRITE}", GROUP, "roles", "rolebindings"),
]

_CONTROLLER_MANAGER = [
    # The namespace controller empties a namespace, and the garbage collector clears up and frees, whatever there is.
    _rule(f"{_READ} patch delete deletecollection", "*", "*"),
    _rule("create update", _CORE, "pods", "endpoints", "serviceaccounts", "configmaps"),
    _rule("create", _CORE, "persistentvolumeclaims"),
    _rule("create update", _SLICES, "endpointslices"),
    _rule("create update", _APPS, "replicasets"),
    _rule("update", _APPS, "deployments", "deployments/status", "replicasets/status", "*/scale"),
    _rule("update", _CORE, "replicationcontrollers", "nodes", "services", "namespaces", "*/scale"),
    _rule("update", _CORE, "replicationcontrollers/status", "nodes/status", "pods/status", "namespaces/status"),
    _rule("update", _CORE, "namespaces/finalize"),
    _rule("update", _POLICY, "poddisruptionbudgets/status"),
    _rule("create", _CORE, "pods/eviction", "serviceaccounts/token"),
    _LEASE_RULE,
    *_events(),
]
_SCHEDULER = [
    _rule(
        _READ,
        _CORE,
        "pods",
        "nodes",
        "namespaces",
        "services",
        "replicationcontrollers",
        "persistentvolumeclaims",
        "persistentvolumes",
    ),
    _rule(_READ, _APPS, "replicasets", "statefulsets"),
    _rule(_READ, _POLICY, "poddisruptionbudgets"),
    _rule(_READ, _STORAGE, "storageclasses", "csinodes", "csidrivers"),
    _rule("update patch", _CORE, "persistentvolumes", "persistentvolumeclaims"),
    _rule("create", _CORE, "pods/binding", "bindings"),
    _rule("update patch", _CORE, "pods/status"),
    _rule("delete", _CORE, "pods"),
    _LEASE_RULE,
    *_events(),
]
_NODE = [
    _rule(_READ, _CORE, "pods", "nodes", "services", "endpoints", "namespaces"),
    _rule(_READ, _CORE, "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes"),
    _rule("create update patch delete", _CORE, "nodes"),
    _rule("update patch", _CORE, "nodes/status", "pods/status"),
    _rule("create delete", _CORE, "pods"),
    _rule("create", _CORE, "pods/eviction", "serviceaccounts/token"),
    _rule("create", _AUTHENTICATION, "tokenreviews"),
    _rule("create", _AUTHORIZATION, "subjectaccessreviews", "localsubjectaccessreviews"),
    _LEASE_RULE,
    *_events(),
]
_PROXY = [
    _rule(_READ, _CORE, "services", "endpoints", "nodes"),
    _rule(_READ, _SLICES, "endpointslices"),
    # Which node answers for the address of a load balancer.
    _rule(f"{_READ} create update patch delete", _LEASES, "leases"),
    *_events(),
]
_DNS = [
    _rule(_READ, _CORE, "services", "endpoints", "pods", "namespaces", "nodes"),
    _rule(_READ, _SLICES, "endpointslices"),
    *_events(),
]

_RULES: dict[str, list[PolicyRule]] = {
    "cluster-admin": list(EVERYTHING),
    "system:discovery": [_paths(*_HEALTH, *_DISCOVERY)],
    "system:basic-user": [
        _rule("create", _AUTHORIZATION, "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        _rule("create", _AUTHENTICATION, "selfsubjectreviews"),
    ],
    "system:public-info-viewer": [_paths(*_HEALTH)],
    "system:monitoring": [_paths("/metrics", "/metrics/*", *_HEALTH)],
    "system:service-account-issuer-discovery": [_paths("/.well-known/openid-configuration", "/openid/v1/jwks")],
    "system:auth-delegator": [
        _rule("create", _AUTHENTICATION, "tokenreviews"),
        _rule("create", _AUTHORIZATION, "subjectaccessreviews"),
    ],
    "system:kube-controller-manager": _CONTROLLER_MANAGER,
    "system:kube-scheduler": _SCHEDULER,
    "system:node": _NODE,
    "system:node-proxier": _PROXY,
    "steersman:dns": _DNS,
}
_AGGREGATED = {"view": _VIEW, "edit": _EDIT, "admin": _ADMIN}
# Who may more may also what those below him may.
_BELOW = {"view": ("view", "edit", "admin"), "edit": ("edit", "admin"), "admin": ("admin",)}
_BOUND: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:discovery": (("Group", "system:authenticated"),),
    "system:basic-user": (("Group", "system:authenticated"),),
    "system:public-info-viewer": (("Group", "system:authenticated"), ("Group", "system:unauthenticated")),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:service-account-issuer-discovery": (("Group", "system:serviceaccounts"),),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:node": (("Group", "system:nodes"),),
    "system:node-proxier": (("User", "system:kube-proxy"),),
    "steersman:dns": (("User", "steersman:dns"),),
}


def defaults() -> list[Object]:
    """All of it, new objects at each call."""
    roles = [ClusterRole(metadata=_metadata(name), rules=rules) for name, rules in _RULES.items()]
    bindings = [_binding(name, subjects) for name, subjects in _BOUND.items()]
    return [*roles, *_parts(), *_sums(), *bindings]


def _parts() -> list[ClusterRole]:
    """The roles that are added up."""
    return [
        ClusterRole(metadata=_metadata(f"system:aggregate-to-{name}", {_AGGREGATE.format(name): "true"}), rules=rules)
        for name, rules in _AGGREGATED.items()
    ]


def _sums() -> list[ClusterRole]:
    """``view`` is itself a part of ``edit``, and ``edit`` of ``admin``."""
    return [
        ClusterRole(
            metadata=_metadata(name, {_AGGREGATE.format(above): "true" for above in _BELOW[name] if above != name}),
            aggregation_rule=AggregationRule(
                cluster_role_selectors=[LabelSelector(match_labels={_AGGREGATE.format(name): "true"})]
            ),
        )
        for name in _AGGREGATED
    ]


def _binding(name: str, subjects: tuple[tuple[str, str], ...]) -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=_metadata(name),
        subjects=[Subject(kind=kind, api_group=GROUP, name=subject) for kind, subject in subjects],
        role_ref=RoleRef(api_group=GROUP, kind="ClusterRole", name=name),
    )


def _metadata(name: str, labels: dict[str, str] | None = None) -> ObjectMeta:
    return ObjectMeta(name=name, labels=LABELS | (labels or {}), annotations={AUTO_UPDATE: "true"})
