"""Who may do what (``rbac.authorization.k8s.io/v1``)."""

from typing import Annotated, ClassVar

import msgspec

from api.meta import LabelSelector, Object
from api.struct import F, Struct, always

GROUP = "rbac.authorization.k8s.io"


class PolicyRule(Struct):
    """Allows verbs on resources, or on paths that are no resource. ``*`` stands for all."""

    verbs: Annotated[
        list[str],
        F(1, "As get, list, watch, create, update, patch, delete.", required="verbs must contain at least one value"),
    ] = []
    api_groups: Annotated[list[str], F(2, 'Groups of the resources; "" is the core group.')] = []
    resources: Annotated[list[str], F(3, "As pods or pods/log.")] = []
    resource_names: Annotated[list[str], F(4, "Only objects of these names; all by default.")] = []
    non_resource_urls: Annotated[list[str], F(5, "As /healthz or /metrics/*.")] = []


class RoleRef(Struct):
    """The role that a binding gives."""

    whole: ClassVar = True
    api_group: Annotated[str, F(1, "Group of the role.", default=GROUP, listed=True)] = ""
    kind: Annotated[str, F(2, "Role or ClusterRole.", listed=True, enum=("Role", "ClusterRole"))] = ""
    name: Annotated[str, F(3, "Name of the role.", required=True)] = ""


class Subject(Struct):
    """Someone to whom a binding gives a role."""

    whole: ClassVar = True
    kind: Annotated[str, F(1, "Who it is.", listed=True, enum=("ServiceAccount", "User", "Group"))] = ""
    api_group: Annotated[str, F(2, "Group of users and groups; none for service accounts.")] = ""
    name: Annotated[str, F(3, "Name of the subject.", required=True)] = ""
    namespace: Annotated[str, F(4, "Namespace of a service account.")] = ""


class Role(Object):
    """Rules within one namespace."""

    rules: Annotated[list[PolicyRule], F(2, "What is allowed.")] = always(list)


class AggregationRule(Struct):
    """Roles whose rules are added up."""

    cluster_role_selectors: Annotated[list[LabelSelector], F(1, "Which roles.")] = []


class ClusterRole(Object):
    """Rules for the whole cluster, or for a namespace through a RoleBinding."""

    rules: Annotated[list[PolicyRule], F(2, "What is allowed.")] = always(list)
    aggregation_rule: Annotated[AggregationRule | None, F(3, "Roles whose rules are added up here.")] = None


class RoleBinding(Object):
    """Gives a role within one namespace."""

    subjects: Annotated[list[Subject], F(2, "To whom.")] = []
    role_ref: Annotated[RoleRef, F(3, "Which role; cannot change.", required=True)] = msgspec.field(
        default_factory=RoleRef
    )


class ClusterRoleBinding(Object):
    """Gives a role in the whole cluster."""

    subjects: Annotated[list[Subject], F(2, "To whom.")] = []
    role_ref: Annotated[RoleRef, F(3, "Which role; cannot change.", required=True)] = msgspec.field(
        default_factory=RoleRef
    )
