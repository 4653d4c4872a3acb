"""The review kinds: only to be created, and answered at once. Nothing is stored."""

from collections.abc import Callable

from api.authentication import SelfSubjectReview, TokenReview
from api.authorization import (
    LocalSubjectAccessReview,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)
from api.meta import Object
from api.resources import Resource
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.operations import reviews

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"

REVIEWS: tuple[Resource, ...] = (
    Resource(TokenReview, _AUTHENTICATION, "v1", "tokenreviews", namespaced=False),
    Resource(SelfSubjectReview, _AUTHENTICATION, "v1", "selfsubjectreviews", namespaced=False),
    Resource(SubjectAccessReview, _AUTHORIZATION, "v1", "subjectaccessreviews", namespaced=False),
    Resource(LocalSubjectAccessReview, _AUTHORIZATION, "v1", "localsubjectaccessreviews"),
    Resource(SelfSubjectAccessReview, _AUTHORIZATION, "v1", "selfsubjectaccessreviews", namespaced=False),
    Resource(SelfSubjectRulesReview, _AUTHORIZATION, "v1", "selfsubjectrulesreviews", namespaced=False),
)
OPERATIONS: dict[type[Object], Callable[[Backend, Call], Response]] = {
    LocalSubjectAccessReview: reviews.review_access_here,
    SelfSubjectAccessReview: reviews.review_own_access,
    SelfSubjectReview: reviews.review_self,
    SelfSubjectRulesReview: reviews.review_own_rules,
    SubjectAccessReview: reviews.review_access,
    TokenReview: reviews.review_token,
}
