"""What every verb begins with: which server, which namespace, which kinds there are."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import msgspec

from cli.steer.discovery import Discovery, Kind
from cli.steer.failures import Failure
from client import Credentials, load_kubeconfig
from client.kubeconfig import KubeconfigError
from client.transport import Query, RequestObserver, Transport, Unreachable

Object = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_HOST_KUBECONFIG = Path("/etc/steersman/admin.kubeconfig")
PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class Session:
    """Calls to the API server as plain documents. Raises ApiError and Unreachable."""

    def __init__(self, *, kubeconfig: str = "", context: str = "", namespace: str = "") -> None:
        self._kubeconfig, self._context, self._namespace = kubeconfig, context, namespace

    def of(self, *, namespace: str) -> "Session":
        """The same server and identity, in another namespace."""
        return Session(kubeconfig=self._kubeconfig, context=self._context, namespace=namespace)

    @cached_property
    def credentials(self) -> Credentials:
        """Raises Failure."""
        try:
            return load_kubeconfig(kubeconfig_path(self._kubeconfig), context=self._context)
        except KubeconfigError as error:
            raise Failure(str(error)) from error

    @cached_property
    def transport(self) -> Transport:
        return Transport(self.credentials, user_agent="steer", observer=_Warnings())

    @cached_property
    def discovery(self) -> Discovery:
        return Discovery(self.call)

    @property
    def namespace(self) -> str:
        return self._namespace or self.credentials.namespace or "default"

    @property
    def has_namespace(self) -> bool:
        """Whether the namespace was said on the command line."""
        return bool(self._namespace)

    def space(self, kind: Kind, *, everywhere: bool = False) -> str:
        """The namespace for calls about a kind."""
        return "" if everywhere or not kind.namespaced else self.namespace

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "",
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        answer = self.transport.request(
            method, path, query=query, body=data, content_type=content_type, accept=accept, timeout_s=60
        )
        try:
            return msgspec.json.decode(answer) if answer else None
        except msgspec.DecodeError as error:
            raise Unreachable(f"{method} {path}: the answer is no JSON: {error}") from error

    def get(self, kind: Kind, name: str, namespace: str) -> Object:
        found: Object = self.call("GET", kind.path(namespace, name))
        return found

    def list(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> Iterator[Object]:
        """Each object, with its type, page after page."""
        query: dict[str, str | int] = {"labelSelector": labels, "fieldSelector": fields, "limit": 500}
        while True:
            page = self.call("GET", kind.path(namespace), query=query)
            for item in page.get("items") or []:
                yield {"apiVersion": kind.api_version, "kind": kind.kind, **item}
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return

    def patch(self, kind: Kind, name: str, namespace: str, patch: Any, *, form: str, query: Query | None = None) -> Any:
        path = kind.path(namespace, name)
        return self.call("PATCH", path, body=patch, content_type=PATCH_TYPES[form], query=query)


class _Warnings(RequestObserver):
    """Tells the server's warnings, each once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def warned(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            print(f"Warning: {text}", file=sys.stderr)


def kubeconfig_path(said: str) -> Path:
    """The flag, the variable, one's own, or that of a cluster on this host."""
    if said:
        return Path(said)
    for name in os.environ.get("KUBECONFIG", "").split(os.pathsep):
        if name and Path(name).exists():
            return Path(name)
    if os.environ.get("KUBECONFIG"):
        return Path(os.environ["KUBECONFIG"].split(os.pathsep)[0])
    own = Path.home() / ".kube/config"
    return own if own.exists() or not _HOST_KUBECONFIG.exists() else _HOST_KUBECONFIG


def _remember(ctx: click.Context, param: click.Parameter, value: str) -> None:
    if value:
        ctx.find_root().ensure_object(dict)[param.name] = value


def _common(*names: str, help: str) -> Callable[[F], F]:
    return click.option(*names, default="", expose_value=False, callback=_remember, help=help)


# Of `steer`, of each of its groups and of each verb: the word nearest to the end of the line holds.
KUBECONFIG = _common("--kubeconfig", help="Path to the kubeconfig file.")
_COMMON = (
    KUBECONFIG,
    _common("--context", help="The name of the kubeconfig context to use."),
    _common("-n", "--namespace", help="The namespace of this request."),
)


def with_common(wrapped: F) -> F:
    """Gives a group, or a verb, the flags that all share; they are kept for the verb that is called."""
    for option in reversed(_COMMON):
        wrapped = option(wrapped)
    return wrapped


def with_session(function: F) -> F:
    """Gives a verb the flags that all share, and as its first argument the Session that they make."""

    def run(*arguments: Any, **flags: Any) -> Any:
        said: Mapping[str, str] = click.get_current_context().find_root().obj or {}
        return function(Session(**said), *arguments, **flags)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__click_params__ = list(getattr(function, "__click_params__", ()))  # type: ignore[attr-defined]
    found: F = with_common(cast(F, run))
    return found
