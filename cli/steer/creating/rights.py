"""`steer create role`, `clusterrole`, `rolebinding` and `clusterrolebinding`."""

import sys
from typing import Any

import click

from cli.steer.creating.making import Made, maker, meta
from cli.steer.failures import Failure
from cli.steer.session import Object, Session

_GROUP = "rbac.authorization.k8s.io"
_VERBS = (
    *("*", "get", "delete", "list", "create", "update", "patch", "watch", "proxy", "deletecollection"),
    *("use", "bind", "escalate", "impersonate", "approve", "sign", "attest"),
)
_URL_VERBS = ("*", "get", "post", "put", "delete", "head", "options", "patch")
_RULE = (
    click.option("--verb", multiple=True, help="A verb, or several with commas."),
    click.option("--resource", multiple=True, help="A resource, as pods, deployments.apps or pods/log."),
    click.option("--resource-name", multiple=True, help="The only object that is meant; again for more."),
)
SUBJECTS = (
    click.option("--user", multiple=True, help="A user; again for more."),
    click.option("--group", multiple=True, help="A group; again for more."),
    click.option("--serviceaccount", multiple=True, help="An account, as namespace:name; again for more."),
)


@maker("role", Made("roles"), "Create a role with single rule.", *_RULE)
def role(session: Session, name: str, flags: dict[str, Any]) -> Object:
    rules = _resource_rules(session, _verbs(flags), flags)
    return _object("Role", meta(session, name), rules=rules)


@maker(
    "clusterrole",
    Made("clusterroles"),
    "Create a cluster role.",
    *_RULE,
    click.option("--non-resource-url", multiple=True, help="A path, as /healthz; again for more."),
    click.option("--aggregation-rule", default="", help="Labels of the roles that this one gathers, as a=b,c=d."),
)
def clusterrole(session: Session, name: str, flags: dict[str, Any]) -> Object:
    about = meta(session, name, namespaced=False)
    if flags["aggregation_rule"]:
        return _aggregating(about, flags)
    verbs, urls = _verbs(flags), _split(flags["non_resource_url"])
    if urls:
        if flags["resource"] or flags["resource_name"]:
            raise Failure("invalid: cannot specify both non-resource-url and resource")
        return _object("ClusterRole", about, rules=[_url_rule(verbs, urls)])
    return _object("ClusterRole", about, rules=_resource_rules(session, verbs, flags))


def _aggregating(about: Object, flags: dict[str, Any]) -> Object:
    if any(flags[name] for name in ("verb", "resource", "resource_name", "non_resource_url")):
        raise Failure("aggregation rule must be specified without nonResourceURLs, resources or verbs")
    pairs = [one.partition("=") for one in flags["aggregation_rule"].split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise Failure(f'invalid argument "{flags["aggregation_rule"]}" for "--aggregation-rule" flag')
    selectors = [{"matchLabels": {key: value for key, _, value in pairs}}]
    return _object("ClusterRole", about, rules=None, aggregationRule={"clusterRoleSelectors": selectors})


def _object(kind: str, about: Object, **rest: Any) -> Object:
    return {"kind": kind, "apiVersion": f"{_GROUP}/v1", "metadata": about, **rest}


def _split(values: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(one.strip() for value in values for one in value.split(",")))


def _verbs(flags: dict[str, Any]) -> list[str]:
    found = _split(flags["verb"])
    if not found:
        raise Failure("at least one verb must be specified")
    return ["*"] if "*" in found else found


def _url_rule(verbs: list[str], urls: list[str]) -> Object:
    for verb in verbs:
        if verb not in _URL_VERBS:
            raise Failure(f"invalid verb: '{verb}' for nonResourceURL")
    for url in urls:
        if url != "*" and (not url or url[0] != "/"):
            raise Failure("nonResourceURL should start with /")
        if "*" in url[:-1]:
            raise Failure("nonResourceURL only supports wildcard matches when '*' is at the end")
    return {"verbs": verbs, "nonResourceURLs": urls}


def _resource_rules(session: Session, verbs: list[str], flags: dict[str, Any]) -> list[Object]:
    """A rule for each API group. Raises Failure."""
    names, wanted = list(dict.fromkeys(flags["resource_name"])), _split(flags["resource"])
    if not wanted:
        raise Failure("at least one resource must be specified")
    for verb in verbs:
        if verb not in _VERBS:
            print(f"Warning: '{verb}' is not a standard resource verb", file=sys.stderr)
    groups: dict[str, list[str]] = {}
    for one in wanted:
        group, resource = _found(session, one)
        groups.setdefault(group, []).append(resource)
    return [
        {
            "verbs": verbs,
            "apiGroups": [group],
            "resources": list(dict.fromkeys(groups[group])),
            **({"resourceNames": names} if names else {}),
        }
        for group in sorted(groups)
    ]


def _found(session: Session, text: str) -> tuple[str, str]:
    """Group and resource as the server has them, of ``pods``, ``deploy.apps/scale`` or ``*``."""
    resource, slash, sub = text.partition("/")
    if resource == "*":
        return "", text
    try:
        kind = session.discovery.find(resource)
    except Failure as error:
        raise Failure(str(error).removeprefix("error: "), prefix="") from error
    return kind.group, kind.plural + slash + sub


@maker(
    "rolebinding",
    Made("rolebindings", refused="rolebinding:"),
    "Create a role binding for a particular role or cluster role.",
    click.option("--clusterrole", default="", help="The cluster role."),
    click.option("--role", default="", help="The role."),
    *SUBJECTS,
)
def rolebinding(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if bool(flags["clusterrole"]) == bool(flags["role"]):
        raise Failure("exactly one of clusterrole or role must be specified")
    kind = "ClusterRole" if flags["clusterrole"] else "Role"
    return _binding("RoleBinding", meta(session, name), kind, flags["clusterrole"] or flags["role"], flags)


@maker(
    "clusterrolebinding",
    Made("clusterrolebindings", refused="clusterrolebinding:", required=("clusterrole",)),
    "Create a cluster role binding for a particular cluster role.",
    click.option("--clusterrole", default="", help="The cluster role."),
    *SUBJECTS,
)
def clusterrolebinding(session: Session, name: str, flags: dict[str, Any]) -> Object:
    about = meta(session, name, namespaced=False)
    return _binding("ClusterRoleBinding", about, "ClusterRole", flags["clusterrole"], flags)


def _binding(kind: str, about: Object, role_kind: str, role_name: str, flags: dict[str, Any]) -> Object:
    subjects = subjects_of(flags)
    reference = {"apiGroup": _GROUP, "kind": role_kind, "name": role_name}
    return _object(kind, about, **({"subjects": subjects} if subjects else {}), roleRef=reference)


def subjects_of(flags: dict[str, Any]) -> list[Object]:
    """Those that the flags name. Raises Failure."""
    subjects: list[Object] = []
    for what in ("user", "group"):
        subjects += [{"kind": what.capitalize(), "apiGroup": _GROUP, "name": one} for one in _split(flags[what])]
    for one in _split(flags["serviceaccount"]):
        namespace, _, name = one.partition(":")
        if not (namespace and name) or ":" in name:
            raise Failure("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return subjects
