"""One call of the API: who asks, for what, and with which options."""

import re

import msgspec

from api.errors import BadRequest, FieldError, invalid, invalid_object, not_supported
from api.resources import Resource
from api.scalars import whole_number
from master.apiserver.authentication.user import User
from master.apiserver.bodies import FIELD_VALIDATION, Expected
from master.apiserver.http.message import Request
from master.apiserver.negotiation import PLAIN, Output

_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}
_NO = ("0", "false")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DIGITS = 80
_MANAGER_BYTES = 128


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
        """A boolean query parameter: all that is there and not ``0`` or ``false`` is true, as Kubernetes reads it."""
        return is_on(self.request, name)

    def number(self, name: str) -> int | None:
        """A query parameter that is a number, of any sign; None when it is not there. Raises BadRequest."""
        if name not in self.request.query:
            return None
        text = self.option(name)
        if not _INTEGER.fullmatch(text):
            raise BadRequest(f'strconv.ParseInt: parsing "{text[:80]}": invalid syntax')
        if len(text) > _DIGITS or not -(2**63) <= int(text) < 2**63:
            raise BadRequest(f'strconv.ParseInt: parsing "{text[:80]}": value out of range')
        return int(text)

    def revision(self, name: str = "resourceVersion") -> int | None:
        """A resourceVersion; None when it is not there. Raises BadRequest."""
        text = self.option(name)
        if not text:
            return None
        number = whole_number(text)
        if number is None:
            shown = text[:80]
            raise BadRequest(f'{name}: Invalid value: "{shown}": strconv.ParseUint: parsing "{shown}": invalid syntax')
        return number

    @property
    def dry_run(self) -> bool:
        """``dryRun=All``: do everything but store. Raises Invalid for any other value, and for a name of a field
        manager that could not be kept."""
        if errors := _manager_errors(self.option("fieldManager")):
            raise invalid_object("meta.k8s.io", self._options, "", errors)
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


def _manager_errors(name: str) -> list[FieldError]:
    if name.isprintable() and len(name) <= _MANAGER_BYTES and name.isascii():
        return []
    if len(name.encode()) > _MANAGER_BYTES:
        why = f"Too long: may not be more than {_MANAGER_BYTES} bytes"
        return [FieldError("fieldManager", "FieldValueTooLong", why)]
    unseen = ((at, one) for at, one in enumerate(name) if not one.isprintable())
    return [
        invalid("fieldManager", name, f"invalid character U+{ord(one):04X} (at position {at})") for at, one in unseen
    ]


def is_on(request: Request, name: str) -> bool:
    """As ``Call.flag``."""
    values = request.query.get(name)
    return values is not None and values[0].lower() not in _NO


def is_dry_run(values: list[str] | None, options: str = "DeleteOptions") -> bool:
    """What a list of dry-run directives means. Raises Invalid for one that does not exist."""
    if not values:
        return False
    if any(value != "All" for value in values):
        raise invalid_object("meta.k8s.io", options, "", [not_supported("dryRun", values, ("All",))])
    return True
