"""One call of the API: who asks, for what, and with which options."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from api.errors import BadRequest, invalid_object, not_supported
from api.resources import Resource
from master.apiserver.authentication.user import User
from master.apiserver.bodies import FIELD_VALIDATION, Expected
from master.apiserver.http.message import Request
from master.apiserver.negotiation import PLAIN, Output

_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}

T = TypeVar("T")


class Target(msgspec.Struct, frozen=True):
    """What a path names: a collection (no ``name``), an object, or a subresource of one."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def named(self) -> str:
        """As rules name it: ``pods``, ``pods/log``."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def qualified(self) -> str:
        """As error messages show it: ``pods``, ``pods/log``."""
        return self.resource.qualified + (f"/{self.subresource}" if self.subresource else "")

    @property
    def expected(self) -> Expected:
        """What the body of a create or update holds."""
        return Expected(self.resource.type, self.resource.api_version, self.resource.kind)


class Call(msgspec.Struct):
    """One authorized request; operations add warnings, which become headers of the answer."""

    request: Request
    user: User
    verb: str
    target: Target
    output: Output = PLAIN
    warnings: list[str] = []

    def option(self, name: str) -> str:
        """The first value of a query parameter; empty when it is not there."""
        values = self.request.query.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """A boolean query parameter as Go's clients write it; ``?watch`` alone counts as true. Raises BadRequest."""
        values = self.request.query.get(name)
        if not values:
            return False
        if values[0] in ("", "1", "true", "True", "TRUE", "t", "T"):
            return True
        if values[0] in ("0", "false", "False", "FALSE", "f", "F"):
            return False
        raise BadRequest(f"{name}: {values[0]!r} is not a boolean")

    def number(self, name: str) -> int | None:
        """A query parameter that is a number of at least 0; None when it is not there. Raises BadRequest."""
        return self._read(name, _natural, "a number")

    def revision(self, name: str = "resourceVersion") -> int | None:
        """A resourceVersion; None when it is not there. Raises BadRequest."""
        return self._read(name, _natural, "a resource version")

    def _read(self, name: str, read: Callable[[str], T], what: str) -> T | None:
        text = self.option(name)
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            raise BadRequest(f"{name}: {text[:80]!r} is not {what}") from error

    @property
    def dry_run(self) -> bool:
        """``dryRun=All``: do everything but store. Raises Invalid for any other value."""
        values = self.request.query.get("dryRun")
        return bool(values) and is_dry_run(values, self._options)

    @property
    def _options(self) -> str:
        """The kind of object that the query of this request stands for."""
        return _OPTIONS.get(self.request.method, "GetOptions")

    @property
    def field_validation(self) -> str:
        """Ignore, Warn, Strict or UNSAID. Raises Invalid for any other value."""
        value = self.option("fieldValidation")
        if value and value not in FIELD_VALIDATION:
            error = not_supported("fieldValidation", value, ("", "Ignore", "Strict", "Warn"))
            raise invalid_object("meta.k8s.io", self._options, "", [error])
        return value


def is_dry_run(values: list[str] | None, options: str = "DeleteOptions") -> bool:
    """What a list of dry-run directives means. Raises Invalid for one that does not exist."""
    for value in values or []:
        if value != "All":
            raise invalid_object("meta.k8s.io", options, "", [not_supported("dryRun", value, ("All",))])
    return bool(values)


def is_natural(text: str) -> bool:
    """Whether a text is a number as Go reads an unsigned one: int() takes more, and refuses very long ones."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def _natural(text: str) -> int:
    if not is_natural(text):
        raise ValueError(text)
    return int(text)
