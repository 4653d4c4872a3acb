"""Who am I, may I, what may I, and may he: POST of the review kinds. Nothing is stored; the answer is the question with
its status.

Source: k8s.io/kubernetes, pkg/registry/authentication, pkg/registry/authorization, pkg/apis/authorization/validation.
"""

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from api.authentication import SelfSubjectReview, SelfSubjectReviewStatus, TokenReview, TokenReviewStatus, UserInfo
from api.authorization import (
    LocalSubjectAccessReview,
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from api.codec import encode
from api.errors import BadRequest, FieldError, invalid, invalid_object
from api.meta import Object, ObjectMeta
from api.rbac import PolicyRule
from master.apiserver.authentication.user import BadTokenError, User
from master.apiserver.authorization.authorizer import Act
from master.apiserver.backend import Backend
from master.apiserver.bodies import read_object
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.operations.create import check_namespace
from master.apiserver.rendering import struct_answer

T = TypeVar("T", bound=Object)

_GROUP = "authorization.k8s.io"


def review_token(backend: Backend, call: Call) -> Response:
    """Raises BadRequest without a token."""
    review = _read(call, TokenReview)
    if not review.spec.token:
        raise BadRequest("token is required for TokenReview in authentication")
    review.status = _judged(backend, review.spec.token, review.spec.audiences)
    return _answer(call, review)


def _judged(backend: Backend, token: str, audiences: list[str]) -> TokenReviewStatus:
    try:
        proof = backend.authenticate.judge(token, audiences)
    except BadTokenError as error:
        return TokenReviewStatus(error=f"invalid bearer token: {error}")
    if proof is None:
        return TokenReviewStatus(error="invalid bearer token")
    return TokenReviewStatus(authenticated=True, user=_info(proof.user), audiences=list(proof.audiences))


def review_self(backend: Backend, call: Call) -> Response:  # noqa: ARG001 - the shape of all operations
    """Who is asking."""
    review = _read(call, SelfSubjectReview)
    review.status = SelfSubjectReviewStatus(user_info=_info(call.user))
    return _answer(call, review)


def review_own_access(backend: Backend, call: Call) -> Response:
    """Raises Invalid when it is not clear what is asked."""
    review = _read(call, SelfSubjectAccessReview)
    errors = _what_errors(review.spec.resource_attributes, review.spec.non_resource_attributes)
    _refuse(review, [*errors, *_metadata_errors(review)])
    review.status = _access(backend, call.user, review.spec.resource_attributes, review.spec.non_resource_attributes)
    return _answer(call, review)


def review_access(backend: Backend, call: Call) -> Response:
    """Raises Invalid when it is not clear what is asked, or of whom."""
    review = _read(call, SubjectAccessReview)
    _refuse(review, [*_spec_errors(review.spec), *_metadata_errors(review)])
    review.status = _access_of(backend, review.spec)
    return _answer(call, review)


def review_access_here(backend: Backend, call: Call) -> Response:
    """The same within the namespace of the path."""
    review = _read(call, LocalSubjectAccessReview)
    check_namespace(review, call.target.namespace)
    review.metadata.namespace = call.target.namespace
    _refuse(review, [*_spec_errors(review.spec), *_local_errors(review)])
    review.status = _access_of(backend, review.spec)
    return _answer(call, review)


def review_own_rules(backend: Backend, call: Call) -> Response:
    """Raises BadRequest without a namespace."""
    review = _read(call, SelfSubjectRulesReview)
    if not review.spec.namespace:
        raise BadRequest("no namespace on request")
    rules = _once(backend.access.rules_in(call.user, review.spec.namespace))
    # Kubernetes answers without the question.
    review.spec = SelfSubjectRulesReviewSpec()
    review.status = SubjectRulesReviewStatus(
        resource_rules=[
            ResourceRule(
                verbs=rule.verbs,
                api_groups=rule.api_groups,
                resources=rule.resources,
                resource_names=rule.resource_names,
            )
            for rule in rules
            if rule.resources
        ],
        non_resource_rules=[
            NonResourceRule(verbs=rule.verbs, non_resource_urls=rule.non_resource_urls)
            for rule in rules
            if rule.non_resource_urls
        ],
    )
    return _answer(call, review)


def _read(call: Call, kind: type[T]) -> T:
    review, warnings = read_object(call.request, call.target.expected, kind, validation=call.field_validation)
    call.warnings += warnings
    _ = call.dry_run  # nothing is stored in any case; what is neither is refused as everywhere
    return review


def _answer(call: Call, review: Object) -> Response:
    resource = call.target.resource
    review.api_version, review.kind = resource.api_version, resource.kind
    return struct_answer(call, review, 201)


def _info(user: User) -> UserInfo:
    extra = {key: list(values) for key, values in user.extra}
    return UserInfo(username=user.name, uid=user.uid, groups=sorted(user.groups), extra=extra)


def _once(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    return list({encode(rule): rule for rule in rules}.values())


def _access_of(backend: Backend, spec: SubjectAccessReviewSpec) -> SubjectAccessReviewStatus:
    user = User(spec.user, frozenset(spec.groups), spec.uid)
    return _access(backend, user, spec.resource_attributes, spec.non_resource_attributes)


def _access(
    backend: Backend, user: User, resource: ResourceAttributes | None, path: NonResourceAttributes | None
) -> SubjectAccessReviewStatus:
    if resource is None:
        assert path is not None
        if not backend.access.allows_path(user, path.verb, path.path):
            return SubjectAccessReviewStatus(allowed=False)
        reason = backend.access.reason_of_path(user, path.verb, path.path)
        return SubjectAccessReviewStatus(allowed=True, reason=reason)
    act = Act(
        resource.verb,
        resource.group,
        f"{resource.resource}/{resource.subresource}" if resource.subresource else resource.resource,
        resource.namespace,
        resource.name,
    )
    if not backend.access.allows(user, act):
        return SubjectAccessReviewStatus(allowed=False)
    return SubjectAccessReviewStatus(allowed=True, reason=backend.access.reason(user, act))


def _spec_errors(spec: SubjectAccessReviewSpec) -> list[FieldError]:
    errors = _what_errors(spec.resource_attributes, spec.non_resource_attributes)
    if not spec.user and not spec.groups:
        errors.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    return errors


def _what_errors(resource: ResourceAttributes | None, path: NonResourceAttributes | None) -> list[FieldError]:
    if (resource is None) is not (path is None):
        return []
    either = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    shown = "cannot be specified in combination with resourceAttributes" if resource is not None else either
    field = "spec.nonResourceAttributes" if resource is not None else "spec.resourceAttributes"
    return [invalid(field, None if resource is None else "", shown)]


def _metadata_errors(review: Object) -> list[FieldError]:
    """A question has no name: who gives one mistakes it for something that is kept."""
    given = replace(review.metadata, creation_timestamp=None, managed_fields=[])
    return [] if given == ObjectMeta() else [FieldError("metadata", "FieldValueInvalid", "must be empty")]


def _local_errors(review: LocalSubjectAccessReview) -> list[FieldError]:
    resource, here = review.spec.resource_attributes, review.metadata.namespace
    if review.spec.non_resource_attributes is not None:
        return [invalid("spec.nonResourceAttributes", "", "disallowed on this kind of request")]
    if resource is not None and resource.namespace != here:
        return [invalid("spec.resourceAttributes.namespace", resource.namespace, "must match metadata.namespace")]
    return []


def _refuse(review: Object, errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(_GROUP, type(review).__name__, "", errors)
