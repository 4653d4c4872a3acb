"""`steer auth can-i VERB RESOURCE` and `whoami`: what one may oneself; `reconcile` grants what files say."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from api.errors import NotFound
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.granting import reconciled
from cli.steer.manifests import manifests
from cli.steer.output.flags import OUTPUT
from cli.steer.output.printing import printer
from cli.steer.output.table import Table
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session, with_session
from cli.steer.writing import ONLY_DRY, each, options

_ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@click.group("auth")
@with_common
def command() -> None:
    """Inspect authorization."""


@command.command("can-i")
@click.argument("words", nargs=-1, metavar="VERB TYPE[/NAME] | VERB /PATH")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--list", "listed", is_flag=True, help="List all that one may.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@click.option("--subresource", default="", help="Of the resource, as log or scale.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing; the exit code tells.")
@with_session
def can_i(session: Session, words: tuple[str, ...], **flags: Any) -> int:
    """Check whether an action is allowed; the exit code is 0 for yes and 1 for no."""
    space = "" if flags["all_namespaces"] else session.namespace
    if flags["listed"]:
        _list(session, space, headers=not flags["no_headers"])
        return 0
    if len(words) not in (2, 3):
        raise Failure("you must specify two arguments: verb resource or verb resource/resourceName.\n"
                      "See 'steer auth can-i -h' for help and examples.")  # fmt: skip
    spec = _asked(session, words, flags["subresource"], space)
    answer = session.call("POST", _ACCESS, body=_review("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec))
    status = answer["status"]
    if not flags["quiet"]:
        print("yes" if status["allowed"] else _refused(status))
    return 0 if status["allowed"] else 1


def _refused(status: Object) -> str:
    why = f" - {status['reason']}" if status.get("reason") else ""
    return f"no{why}" + (f" - {status['evaluationError']}" if status.get("evaluationError") else "")


def _review(version: str, kind: str, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "spec": spec}


def _asked(session: Session, words: tuple[str, ...], subresource: str, space: str) -> Object:
    verb, what = words[0], words[1]
    if what.startswith("/"):
        return {"nonResourceAttributes": {"verb": verb, "path": what}}
    resource, _, name = what.partition("/")
    if len(words) == 3:
        name = words[2]
    group = ""
    if resource != "*":
        try:
            kind = session.discovery.find(resource)
        except Failure:
            print(f"Warning: the server doesn't have a resource type '{resource}'\n", file=sys.stderr)
        else:
            resource, group = kind.plural, kind.group
            if not kind.namespaced and space:
                print(f"Warning: resource '{kind.plural}' is not namespace scoped"
                      + (f" in group '{group}'" if group else "") + "\n", file=sys.stderr)  # fmt: skip
                space = ""
    attributes = {
        "verb": verb, "group": group or ("*" if resource == "*" else ""), "resource": resource, "name": name,
        "namespace": space, "subresource": subresource,
    }  # fmt: skip
    return {"resourceAttributes": attributes}


def _list(session: Session, space: str, *, headers: bool) -> None:
    body = _review("authorization.k8s.io/v1", "SelfSubjectRulesReview", {"namespace": space or "default"})
    status = session.call("POST", _RULES, body=body)["status"]
    rows = [
        [_named(one.resource, one.group), _listed(one.urls), _listed(one.names), _listed(one.verbs)]
        for one in taken_apart(status)
    ]
    Table(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"], headers=headers).print(rows)


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with one resource of one group, or one path."""

    verbs: tuple[str, ...]
    group: str = ""
    resource: str = ""
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Sorts as kubectl does: by the text that Go makes of a rule."""
        parts = (self.verbs, (self.group,) if self.resource else (), (self.resource,), self.names, self.urls)
        return ",".join(f"[{' '.join(part)}]" for part in parts)


def taken_apart(status: Object) -> list[Rule]:
    """The rules of a SelfSubjectRulesReview one by one, what is said of the same resource several times in one."""
    found: dict[Any, tuple[str, ...]] = {}
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or [""]:
            for resource in rule.get("resources") or ():
                key = (group, resource, tuple(rule.get("resourceNames") or ()))
                verbs = found.get(key, ())
                found[key] = (*verbs, *(verb for verb in rule["verbs"] if verb not in verbs))
    rules = [Rule(verbs, group, resource, names) for (group, resource, names), verbs in found.items()]
    for rule in status.get("nonResourceRules") or ():
        rules += [Rule(tuple(rule["verbs"]), urls=(url,)) for url in rule.get("nonResourceURLs") or ()]
    return sorted(rules, key=lambda one: one.place)


def _named(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _listed(values: Sequence[str] | None) -> str:
    return f"[{' '.join(values or [])}]"


@command.command("whoami")
@options(OUTPUT)
@with_session
def whoami(session: Session, output: str) -> None:
    """Check self subject attributes."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = session.call("POST", _SELF, body=body)
    except NotFound as error:
        raise Failure("the selfsubjectreviews API is not enabled in the cluster") from error
    if output:
        printer(output, name_of=lambda _: "selfsubjectreview.authentication.k8s.io/", as_one=True)([answer])
        return
    user = answer["status"].get("userInfo") or {}
    rows = [["Username", user.get("username", "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", _listed(user["groups"])])
    rows += [[f"Extra: {key}", _listed(user["extra"][key])] for key in sorted(user.get("extra") or {})]
    Table(["ATTRIBUTE", "VALUE"]).print(rows)


@command.command("reconcile")
@click.argument("words", nargs=-1, metavar="")
@options(FILES, ONLY_DRY, OUTPUT)
@click.option("--remove-extra-permissions", is_flag=True, help="Take away what roles allow beyond the files.")
@click.option("--remove-extra-subjects", is_flag=True, help="Take the roles from whom the files do not name.")
@with_session
def reconcile(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Reconcile rules for RBAC role, role binding, cluster role, and cluster role binding objects."""
    if not flags["filename"]:
        raise Failure("must specify one of -f and -k")
    if words:
        raise Failure("no arguments are allowed")
    if flags["dry_run"] == "server":
        raise Failure("--dry-run=server for command reconcile is not supported yet")
    each(
        manifests(session, flags["filename"], recursive=flags["recursive"]),
        lambda item: reconciled(session, item, flags),
    )
