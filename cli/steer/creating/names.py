"""`steer create namespace`, `serviceaccount` and `token`."""

from typing import Any

import click

from api.errors import ApiError
from cli.steer.creating.making import Made, maker, meta, one_name
from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.output.printing import printer
from cli.steer.session import Object, Session, with_session

_BOUND_TO = {"Node": "v1", "Pod": "v1", "Secret": "v1"}


@maker("namespace", Made("namespaces"), "Create a namespace with the specified name.")
def namespace(session: Session, name: str, _: dict[str, Any]) -> Object:
    about = meta(session, name, namespaced=False)
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": about, "spec": {}, "status": {}}


@maker("serviceaccount", Made("serviceaccounts", refused="serviceaccount:"),
       "Create a service account with the specified name.")  # fmt: skip
def serviceaccount(session: Session, name: str, _: dict[str, Any]) -> Object:
    return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": meta(session, name)}


@click.command("token")
@click.argument("names", nargs=-1, metavar="SERVICE_ACCOUNT_NAME")
@click.option("--audience", multiple=True, help="Who is to accept it; the API server when not said.")
@click.option("--duration", type=DURATION, default="0s", help="How long it is to hold; 0: as the server likes.")
@click.option("--bound-object-kind", default="", help="Node, Pod or Secret: it holds while this object is there.")
@click.option("--bound-object-name", default="", help="The name of that object.")
@click.option("--bound-object-uid", default="", help="Its UID; of the one that is there when not said.")
@click.option("-o", "--output", default="", help="Output format: json|yaml|jsonpath=…; the bare token when not said.")
@with_session
def token(session: Session, names: tuple[str, ...], output: str, **flags: Any) -> None:
    """Request a service account token."""
    name = one_name(names)
    spec: Object = {"audiences": list(flags["audience"]) or None, "boundObjectRef": _bound(flags)}
    spec["expirationSeconds"] = int(flags["duration"]) or None
    request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": spec}
    path = session.discovery.find("serviceaccounts").path(session.namespace, name, "token")
    try:
        made = session.call("POST", path, body=request)
    except ApiError as error:
        raise Failure(f"failed to create token: {error.message}") from error
    if output:
        printer(output, name_of=lambda _: f"tokenrequest.authentication.k8s.io/{name}", as_one=True)([made])
        return
    if not made["status"].get("token"):
        raise Failure("failed to create token: no token in server response")
    print(made["status"]["token"])


def _bound(flags: dict[str, Any]) -> Object | None:
    kind, name, uid = (flags[f"bound_object_{part}"] for part in ("kind", "name", "uid"))
    if not kind:
        for flag, value in (("name", name), ("uid", uid)):
            if value:
                raise Failure(f"--bound-object-kind is required if --bound-object-{flag} is provided")
        return None
    if kind not in _BOUND_TO:
        raise Failure(f"supported --bound-object-kind values are {', '.join(_BOUND_TO)}")
    if not name:
        raise Failure("--bound-object-name is required if --bound-object-kind is provided")
    return {"kind": kind, "apiVersion": _BOUND_TO[kind], "name": name, **({"uid": uid} if uid else {})}
