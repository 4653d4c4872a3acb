"""The names of schemas: Kubernetes' package of each part, and its name."""

from api.struct import Struct

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PACKAGES = {
    "api.meta": META,
    "api.apps": "io.k8s.api.apps.v1",
    "api.apps_sets": "io.k8s.api.apps.v1",
    "api.events": "io.k8s.api.events.v1",
    "api.policy": "io.k8s.api.policy.v1",
    "api.policy_v1beta1": "io.k8s.api.policy.v1beta1",
    "api.storage": "io.k8s.api.storage.v1",
    "api.autoscaling": "io.k8s.api.autoscaling.v1",
    "api.authentication": "io.k8s.api.authentication.v1",
    "api.authorization": "io.k8s.api.authorization.v1",
    "api.rbac": "io.k8s.api.rbac.v1",
    "api.scheduling": "io.k8s.api.scheduling.v1",
    "api.coordination": "io.k8s.api.coordination.v1",
    "api.discovery": "io.k8s.api.discovery.v1",
}
_CORE = "io.k8s.api.core.v1"
# Where our name of a part is not the one of Kubernetes, for another part of the same package has it here.
_RENAMED = {"SlicePort": "EndpointPort"}
# Declared beside the kind that uses them, and of the core group in Kubernetes.
_OF_CORE = ("TopologySelectorLabelRequirement", "TopologySelectorTerm")


def schema_name(kind: type[Struct]) -> str:
    """The name of a part's schema, as ``io.k8s.api.core.v1.Pod``."""
    package = _CORE if kind.__name__ in _OF_CORE else _PACKAGES.get(kind.__module__, _CORE)
    return f"{package}.{_RENAMED.get(kind.__name__, kind.__name__)}"
