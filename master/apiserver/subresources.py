"""What the subresources take and answer, where it is not an object of the resource they belong to."""

from api.authentication import TokenRequest
from api.autoscaling import Scale
from api.core import Binding
from api.policy import Eviction
from api.resources import Resource
from api.struct import Struct

Kind = tuple[str, str, str]
"""Group, version and kind."""

_KINDS: dict[str, tuple[type[Struct] | None, Kind]] = {
    "attach": (None, ("", "v1", "PodAttachOptions")),
    "binding": (Binding, ("", "v1", "Binding")),
    "eviction": (Eviction, ("policy", "v1", "Eviction")),
    "exec": (None, ("", "v1", "PodExecOptions")),
    "log": (None, ("", "v1", "Pod")),
    "portforward": (None, ("", "v1", "PodPortForwardOptions")),
    "scale": (Scale, ("autoscaling", "v1", "Scale")),
    "token": (TokenRequest, ("authentication.k8s.io", "v1", "TokenRequest")),
}


def kind_of(resource: Resource, subresource: str) -> tuple[type[Struct] | None, Kind]:
    """The type, None for what is no object, and its name; of the resource itself where ``subresource`` is empty."""
    if subresource == "proxy":
        return None, ("", "v1", f"{resource.kind}ProxyOptions")
    return _KINDS.get(subresource, (resource.type, (resource.group, resource.version, resource.kind)))
