"""Acting as somebody else: the ``Impersonate-*`` headers, for those who hold the verb ``impersonate``.

Source: k8s.io/apiserver, pkg/endpoints/filters/impersonation.go.
"""

from urllib.parse import unquote

from api.errors import BadRequest, Forbidden
from master.apiserver.authentication.service_accounts import account_groups
from master.apiserver.authentication.user import (
    ACCOUNT_PREFIX,
    ANONYMOUS_NAME,
    AUTHENTICATED_GROUP,
    UNAUTHENTICATED_GROUP,
    Extra,
    User,
)
from master.apiserver.authorization.authorizer import Act, Authorizer
from master.apiserver.http.message import Request

_USER, _GROUP, _UID, _EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


def impersonated(request: Request, user: User, access: Authorizer) -> User:
    """Who the request is to count as; the user himself when it asks for nobody. Raises BadRequest, Forbidden."""
    name = request.headers.get(_USER, "")
    if not name:
        if _GROUP in request.headers or _UID in request.headers:
            raise BadRequest("requested impersonation of groups or uid without impersonating a user")
        return user
    groups, extra = frozenset(request.header_values(_GROUP)), _extra(request)
    uid = request.headers.get(_UID, "")
    for act in _acts(name, groups, uid, extra):
        if not access.allows(user, act):
            raise _refusal(user, act)
    return User(name, _with_common(name, groups), uid, extra)


def _acts(name: str, groups: frozenset[str], uid: str, extra: Extra) -> list[Act]:
    """Each part of the wish is a right of its own."""
    namespace, account = _account(name)
    acts = [
        Act("impersonate", "", "serviceaccounts", namespace, account)
        if account
        else Act("impersonate", "", "users", "", name)
    ]
    acts += [Act("impersonate", "", "groups", "", group) for group in sorted(groups)]
    acts += [Act("impersonate", _AUTHENTICATION, "uids", "", uid)] if uid else []
    return acts + [
        Act("impersonate", _AUTHENTICATION, f"userextras/{key}", "", value) for key, values in extra for value in values
    ]


def _account(name: str) -> tuple[str, str]:
    """Namespace and name of the service account that a user name stands for; empty for any other."""
    if not name.startswith(ACCOUNT_PREFIX):
        return "", ""
    namespace, _, account = name[len(ACCOUNT_PREFIX) :].partition(":")
    return (namespace, account) if namespace and account else ("", "")


def _with_common(name: str, groups: frozenset[str]) -> frozenset[str]:
    if name == ANONYMOUS_NAME:
        return groups | {UNAUTHENTICATED_GROUP}
    namespace, account = _account(name)
    if account and not groups:
        groups = account_groups(namespace)
    return groups | {AUTHENTICATED_GROUP}


def _extra(request: Request) -> Extra:
    found = [
        (unquote(header[len(_EXTRA) :]), tuple(request.header_values(header)))
        for header in request.headers
        if header.startswith(_EXTRA)
    ]
    return tuple(sorted(found))


def _refusal(user: User, act: Act) -> Forbidden:
    qualified = f"{act.resource}.{act.group}" if act.group else act.resource
    where = f'in the namespace "{act.namespace}"' if act.namespace else "at the cluster scope"
    return Forbidden(
        f'{qualified} "{act.name}" is forbidden: User "{user.name}" cannot impersonate resource "{act.resource}" '
        f'in API group "{act.group}" {where}'
    )
