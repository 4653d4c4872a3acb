"""POST of ``serviceaccounts/NAME/token``: a token for the account, bound to a pod, secret or node where one is named.

Source: k8s.io/kubernetes, pkg/registry/core/serviceaccount/storage/token.go.
"""

from datetime import UTC, datetime

from api.authentication import GROUP, BoundObjectReference, TokenRequest, TokenRequestStatus
from api.core import Node, Pod, Secret, ServiceAccount
from api.errors import BadRequest, Conflict, FieldError, invalid, invalid_object
from api.meta import Object, ObjectMeta, StatusDetails
from api.resources import resource_of
from api.scalars import now
from master.apiserver.authentication.service_accounts import Private, Reference, uid_of
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, read_object
from master.apiserver.cache import Item
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.operations.create import check_namespace
from master.apiserver.rendering import struct_answer

_REQUEST = Expected(TokenRequest, f"{GROUP}/v1", "TokenRequest")
_DEFAULT_S, _LEAST_S, _MOST_S = 3600, 600, 2**32
_KINDS: dict[tuple[str, str], type[Object]] = {("v1", "Pod"): Pod, ("v1", "Secret"): Secret, ("v1", "Node"): Node}


def issue_token(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Invalid, Conflict for a bound object that is another one by now."""
    target = call.target
    request, warnings = read_object(call.request, _REQUEST, TokenRequest, validation=call.field_validation)
    call.warnings += warnings
    if request.metadata.name and request.metadata.name != target.name:
        raise BadRequest("the name of the token request does not match the service account of the URL")
    check_namespace(request, target.namespace)
    item = backend.registry.find(resource_of(ServiceAccount), target.namespace, target.name)
    spec = request.spec
    if spec.expiration_seconds is None:
        spec.expiration_seconds = _DEFAULT_S
    if errors := _errors(spec.expiration_seconds):
        raise invalid_object(GROUP, "TokenRequest", "", errors)
    spec.audiences = spec.audiences or [backend.authenticate.accounts.audience]
    bound = _bound(backend, item, spec.bound_object_ref)
    if not call.dry_run:
        token, end = backend.authenticate.accounts.issue(
            item.namespace,
            bound.serviceaccount,
            audiences=spec.audiences,
            expires_s=spec.expiration_seconds,
            bound=bound,
        )
        request.status = TokenRequestStatus(token=token, expiration_timestamp=datetime.fromtimestamp(end, UTC))
    request.api_version, request.kind = _REQUEST.api_version, _REQUEST.kind
    request.metadata = ObjectMeta(name=item.name, namespace=item.namespace, creation_timestamp=now())
    return struct_answer(call, request, 201)


def _errors(seconds: int) -> list[FieldError]:
    path = "spec.expirationSeconds"
    if seconds < _LEAST_S:
        return [invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _MOST_S:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _bound(backend: Backend, account: Item, reference: BoundObjectReference | None) -> Private:
    own = Reference(account.name, uid_of(account))
    if reference is None:
        return Private(account.namespace, own)
    kind = _KINDS.get((reference.api_version or "v1", reference.kind))
    if kind is None:
        group_version = reference.api_version if "/" in reference.api_version else f"/{reference.api_version}"
        raise BadRequest(f"cannot bind token to object of type {group_version}, Kind={reference.kind}")
    item = backend.registry.find(resource_of(kind), account.namespace, reference.name)
    uid = uid_of(item)
    if reference.uid and reference.uid != uid:
        raise Conflict(
            f'Operation cannot be fulfilled on {reference.kind} "{item.name}": the UID in the bound object '
            f"reference ({reference.uid}) does not match the UID in record. The object might have been deleted and "
            "then recreated",
            details=StatusDetails(name=item.name, kind=reference.kind),
        )
    held = Reference(item.name, uid)
    if kind is Secret:
        return Private(account.namespace, own, secret=held)
    if kind is Node:
        return Private(account.namespace, own, node=held)
    return _of_pod(backend, account, item, held)


def _of_pod(backend: Backend, account: Item, item: Item, held: Reference) -> Private:
    """The token of a pod names its node too."""
    pod = item.decode()
    assert isinstance(pod, Pod)
    if pod.spec.service_account_name != account.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{account.name}" to pod running with different serviceaccount name.'
        )
    node = None
    if pod.spec.node_name:
        found = backend.registry.cache.table(resource_of(Node)).get("", pod.spec.node_name)
        node = Reference(pod.spec.node_name, uid_of(found) if found is not None else "")
    return Private(account.namespace, Reference(account.name, uid_of(account)), pod=held, node=node)
