"""ResourceQuota and LimitRange: how much a namespace, and each pod in it, may use."""

from typing import Annotated, ClassVar

import msgspec

from api.meta import Object
from api.scalars import Resources
from api.struct import F, Struct, always

_SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
)


class ScopedResourceSelectorRequirement(Struct):
    """One term about a scope."""

    scope_name: Annotated[str, F(1, "The scope.", required=True, enum=_SCOPES)] = ""
    operator: Annotated[
        str,
        F(2, "How scope and values relate.", required=True, enum=("In", "NotIn", "Exists", "DoesNotExist")),
    ] = ""
    values: Annotated[list[str], F(3, "The values.")] = []


class ScopeSelector(Struct):
    """Which objects a quota counts, by scope; all terms must hold."""

    whole: ClassVar = True
    match_expressions: Annotated[list[ScopedResourceSelectorRequirement], F(1, "The terms.")] = []


class ResourceQuotaSpec(Struct):
    """The limits of a namespace."""

    hard: Annotated[Resources, F(1, "Most of each resource, as pods or requests.cpu.", form="resource_name")] = {}
    scopes: Annotated[list[str], F(2, "Only objects in all of these scopes are counted.")] = []
    scope_selector: Annotated[ScopeSelector | None, F(3, "Which objects are counted.")] = None


class ResourceQuotaStatus(Struct):
    """The limits and the use."""

    hard: Annotated[Resources, F(1, "Most of each resource.")] = {}
    used: Annotated[Resources, F(2, "How much is used.")] = {}


class ResourceQuota(Object):
    """Bounds what a namespace may use in all."""

    spec: Annotated[ResourceQuotaSpec, F(2, "The limits.")] = msgspec.field(default_factory=ResourceQuotaSpec)
    status: Annotated[ResourceQuotaStatus, F(3, "The use.")] = msgspec.field(default_factory=ResourceQuotaStatus)


class LimitRangeItem(Struct):
    """Bounds and defaults of one kind of thing."""

    type: Annotated[str, F(1, "Pod, Container or PersistentVolumeClaim.", required=True)] = ""
    max: Annotated[Resources, F(2, "Most of each resource.", form="resource_name")] = {}
    min: Annotated[Resources, F(3, "Least of each resource.", form="resource_name")] = {}
    default: Annotated[Resources, F(4, "Limits of a container that has none.", form="resource_name")] = {}
    default_request: Annotated[Resources, F(5, "Requests of a container that has none.", form="resource_name")] = {}
    max_limit_request_ratio: Annotated[
        Resources, F(6, "Greatest ratio of limit to request.", form="resource_name")
    ] = {}


class LimitRangeSpec(Struct):
    """The bounds."""

    limits: Annotated[list[LimitRangeItem], F(1, "For each kind of thing.", listed=True)] = always(list)


class LimitRange(Object):
    """Bounds what each pod or container of a namespace may use."""

    spec: Annotated[LimitRangeSpec, F(2, "The bounds.")] = msgspec.field(default_factory=LimitRangeSpec)
