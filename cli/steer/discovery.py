"""Which kinds a server has, and what people call them: asked of the server itself, in two requests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from api.errors import NotAcceptable, NotFound
from cli.steer.failures import Failure

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is served."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As objects are named in messages: ``pod``, ``deployment.apps``."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return root + space + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


class Discovery:
    """The kinds of one server, asked for when first needed. ``call`` is Session.call."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """In the server's order; the preferred version of each group first."""
        return tuple(kind for path in ("/api", "/apis") for kind in self._below(path))

    def _below(self, path: str) -> Iterator[Kind]:
        answer = self._call("GET", path, accept=_AGGREGATED)
        if answer.get("kind") == "APIGroupDiscoveryList":
            for group in answer.get("items") or []:
                yield from _aggregated(group)
            return
        if path == "/api":
            yield from self._plain("", "v1")
            return
        for group in answer.get("groups") or []:
            for version in group["versions"]:
                yield from self._plain(group["name"], version["version"])

    def _plain(self, group: str, version: str) -> Iterator[Kind]:
        try:
            answer = self._call("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        except (NotFound, NotAcceptable):
            return
        for one in answer.get("resources") or []:
            if "/" not in one["name"]:
                yield Kind(
                    one.get("group") or group, one.get("version") or version, one["name"],
                    one.get("singularName") or one["kind"].lower(), one["kind"], one["namespaced"],
                    tuple(one.get("shortNames") or ()), tuple(one.get("categories") or ()), tuple(one["verbs"]),
                )  # fmt: skip

    def find(self, word: str) -> Kind:
        """By plural, singular, short name or kind; also ``deployments.apps`` and ``deployments.v1.apps``. Failure."""
        name, _, rest = word.lower().partition(".")
        matching = [kind for kind in self.kinds if rest in ("", kind.group, f"{kind.version}.{kind.group}".rstrip("."))]
        for names in (lambda k: (k.plural, k.singular, k.kind.lower()), lambda k: k.short_names):
            for kind in matching:
                if name in names(kind):
                    return kind
        raise Failure(f'the server doesn\'t have a resource type "{word}"')

    def category(self, word: str) -> tuple[Kind, ...]:
        """The kinds that are meant by a word such as ``all``; none when it is no category."""
        return tuple(kind for kind in self.kinds if word in kind.categories)

    def of(self, api_version: str, kind: str) -> Kind | None:
        return next((one for one in self.kinds if one.api_version == api_version and one.kind == kind), None)


def _aggregated(group: dict[str, Any]) -> Iterator[Kind]:
    name = group.get("metadata", {}).get("name", "")
    for version in group.get("versions") or []:
        for one in version.get("resources") or []:
            yield Kind(
                name, version["version"], one["resource"], one.get("singularResource") or one["resource"],
                one["responseKind"]["kind"], one["scope"] == "Namespaced", tuple(one.get("shortNames") or ()),
                tuple(one.get("categories") or ()), tuple(one.get("verbs") or ()),
            )  # fmt: skip
