"""Whether someone may do something (``authorization.k8s.io/v1``). Nothing here is stored."""

from typing import Annotated

import msgspec

from api.meta import Object
from api.struct import F, Struct, always

GROUP = "authorization.k8s.io"


class ResourceAttributes(Struct):
    """An act on a resource."""

    namespace: Annotated[str, F(1, "Where; empty for all or for none.")] = ""
    verb: Annotated[str, F(2, "As get or create.")] = ""
    group: Annotated[str, F(3, "Group of the resource; * for all.")] = ""
    version: Annotated[str, F(4, "Version of the resource.")] = ""
    resource: Annotated[str, F(5, "As pods; * for all.")] = ""
    subresource: Annotated[str, F(6, "As log.")] = ""
    name: Annotated[str, F(7, "Which object; empty for all.")] = ""


class NonResourceAttributes(Struct):
    """An act on a path that is no resource."""

    path: Annotated[str, F(1, "The path.")] = ""
    verb: Annotated[str, F(2, "The HTTP method in lower case.")] = ""


class SubjectAccessReviewStatus(Struct):
    """The answer."""

    allowed: Annotated[bool, F(1, "Whether it is allowed.", listed=True)] = always(bool)
    denied: Annotated[bool, F(4, "Whether it is denied whatever others say.")] = False
    reason: Annotated[str, F(2, "Why.")] = ""
    evaluation_error: Annotated[str, F(3, "What could not be judged.")] = ""


class SubjectAccessReviewSpec(Struct):
    """Who wants to do what."""

    resource_attributes: Annotated[ResourceAttributes | None, F(1, "An act on a resource.")] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, F(2, "An act on a path.")] = None
    user: Annotated[str, F(3, "The user.")] = ""
    groups: Annotated[list[str], F(4, "The user's groups.")] = []
    extra: Annotated[dict[str, list[str]], F(5, "Whatever else is known of the user.")] = {}
    uid: Annotated[str, F(6, "The user's UID.")] = ""


class SubjectAccessReview(Object):
    """Asks whether a user may do something."""

    spec: Annotated[SubjectAccessReviewSpec, F(2, "Who and what.", listed=True)] = msgspec.field(
        default_factory=SubjectAccessReviewSpec
    )
    status: Annotated[SubjectAccessReviewStatus, F(3, "The answer.")] = msgspec.field(
        default_factory=SubjectAccessReviewStatus
    )


class LocalSubjectAccessReview(Object):
    """Asks whether a user may do something in one namespace."""

    spec: Annotated[SubjectAccessReviewSpec, F(2, "Who and what.", listed=True)] = msgspec.field(
        default_factory=SubjectAccessReviewSpec
    )
    status: Annotated[SubjectAccessReviewStatus, F(3, "The answer.")] = msgspec.field(
        default_factory=SubjectAccessReviewStatus
    )


class SelfSubjectAccessReviewSpec(Struct):
    """What the asker wants to do."""

    resource_attributes: Annotated[ResourceAttributes | None, F(1, "An act on a resource.")] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, F(2, "An act on a path.")] = None


class SelfSubjectAccessReview(Object):
    """Asks whether the asker may do something."""

    spec: Annotated[SelfSubjectAccessReviewSpec, F(2, "What.", listed=True)] = msgspec.field(
        default_factory=SelfSubjectAccessReviewSpec
    )
    status: Annotated[SubjectAccessReviewStatus, F(3, "The answer.")] = msgspec.field(
        default_factory=SubjectAccessReviewStatus
    )


class ResourceRule(Struct):
    """Verbs allowed on resources."""

    verbs: Annotated[list[str], F(1, "The verbs.", listed=True)] = always(list)
    api_groups: Annotated[list[str], F(2, "The groups.")] = []
    resources: Annotated[list[str], F(3, "The resources.")] = []
    resource_names: Annotated[list[str], F(4, "Only objects of these names.")] = []


class NonResourceRule(Struct):
    """Verbs allowed on paths."""

    verbs: Annotated[list[str], F(1, "The verbs.", listed=True)] = always(list)
    non_resource_urls: Annotated[list[str], F(2, "The paths.")] = []


class SubjectRulesReviewStatus(Struct):
    """All that is allowed."""

    resource_rules: Annotated[list[ResourceRule], F(1, "On resources.", listed=True)] = always(list)
    non_resource_rules: Annotated[list[NonResourceRule], F(2, "On paths.", listed=True)] = always(list)
    incomplete: Annotated[bool, F(3, "Whether there may be more.", listed=True)] = always(bool)
    evaluation_error: Annotated[str, F(4, "What could not be judged.")] = ""


class SelfSubjectRulesReviewSpec(Struct):
    """Where."""

    namespace: Annotated[str, F(1, "The namespace.", required=True, listed=False)] = ""


class SelfSubjectRulesReview(Object):
    """Asks for all that the asker may do in a namespace."""

    spec: Annotated[SelfSubjectRulesReviewSpec, F(2, "Where.", listed=True)] = msgspec.field(
        default_factory=SelfSubjectRulesReviewSpec
    )
    status: Annotated[SubjectRulesReviewStatus, F(3, "The answer.")] = msgspec.field(
        default_factory=SubjectRulesReviewStatus
    )
