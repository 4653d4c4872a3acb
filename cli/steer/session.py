"""What every verb begins with: which server, which namespace, which kinds there are."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar, cast

import click
import msgspec

from api.errors import BadRequest, NotFound
from cli.steer.discovery import Discovery, Kind
from cli.steer.failures import Failure
from cli.steer.reaching import reach_of, with_common
from client import Credentials
from client.transport import Query, RequestObserver, Transport, Unreachable

Object = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_ANSWER_S = 60.0
# How many objects are asked for at once.
PAGE = 500
PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class Session:
    """Calls to the API server as plain documents. Raises ApiError and Unreachable."""

    def __init__(self, *, namespace: str = "", field_manager: str = "", **said: Any) -> None:
        """``said``: the fields of a Reach."""
        self._said, self._namespace, self._field_manager = said, namespace, field_manager
        self._reach = reach_of(said)

    def of(self, *, namespace: str) -> "Session":
        """The same server and identity, in another namespace."""
        return Session(namespace=namespace, field_manager=self._field_manager, **self._said)

    @cached_property
    def credentials(self) -> Credentials:
        """Raises Failure."""
        return self._reach.credentials

    @cached_property
    def transport(self) -> Transport:
        return Transport(self.credentials, user_agent="steer", observer=self.warnings)

    @cached_property
    def warnings(self) -> "Warnings":
        return Warnings()

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
        """``body``: a document, or one that is encoded already."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if self._field_manager and query is not None and "fieldManager" in query:
            query = {**query, "fieldManager": self._field_manager}
        answer = self.transport.request(
            method,
            path,
            query=query,
            body=data,
            content_type=content_type,
            accept=accept,
            timeout_s=self._reach.request_timeout or _ANSWER_S,
        )
        try:
            return msgspec.json.decode(answer) if answer else None
        except msgspec.DecodeError as error:
            raise Unreachable(f"{method} {path}: the answer is no JSON: {error}") from error

    def get(self, kind: Kind, name: str, namespace: str) -> Object:
        found: Object = self.call("GET", kind.path(namespace, name))
        return found

    def list(
        self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "", limit: int = PAGE
    ) -> Iterator[Object]:
        """Each object, with its type, page after page of ``limit`` objects; 0: all at once."""
        query: dict[str, str | int] = {"labelSelector": labels, "fieldSelector": fields, "limit": limit or ""}
        while True:
            with listing(kind, labels, fields):
                page = self.call("GET", kind.path(namespace), query=query)
            for item in page.get("items") or []:
                yield {"apiVersion": kind.api_version, "kind": kind.kind, **item}
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return

    def patch(self, kind: Kind, name: str, namespace: str, patch: Any, *, form: str, query: Query | None = None) -> Any:
        path = kind.path(namespace, name)
        return self.call("PATCH", path, body=patch, content_type=PATCH_TYPES[form], query=query)


@contextmanager
def listing(kind: Kind, labels: str, fields: str) -> Iterator[None]:
    """A refused list is told with what it was of, as kubectl does."""
    try:
        yield
    except (BadRequest, NotFound) as error:
        resource = f'"{kind.group}/{kind.version}, Resource={kind.plural}"'
        chosen = f"that match label selector {_quoted(labels)}, field selector {_quoted(fields)}"
        what = f"find {resource} {chosen}" if labels or fields else f"list {resource}"
        raise type(error)(f"Unable to {what}: {error.message}", details=error.details) from error


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class Warnings(RequestObserver):
    """Tells the server's warnings, each once."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def warned(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            print(f"Warning: {text}", file=sys.stderr)


def with_session(function: F) -> F:
    """Gives a verb the flags that all share, and as its first argument the Session that they make."""

    def run(*arguments: Any, **flags: Any) -> Any:
        said: dict[str, Any] = click.get_current_context().find_root().obj or {}
        session = Session(**said)
        code = function(session, *arguments, **flags)
        if said.get("warnings_as_errors") and (count := len(session.warnings.told)):
            raise Failure(f"{count} warning{'s' * (count > 1)} received")
        return code

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__click_params__ = list(getattr(function, "__click_params__", ()))  # type: ignore[attr-defined]
    found: F = with_common(cast(F, run))
    return found
