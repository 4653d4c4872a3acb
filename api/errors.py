"""The errors of the API: each has an HTTP code and a reason, and is told as a Status.

Both sides use them: the API server raises and encodes them, the client raises what it decodes. Messages are those of
Kubernetes, since
people and programs match on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.meta import Status, StatusCause, StatusDetails


class ApiError(Exception):
    """A call that the API server refused."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: StatusDetails | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def status(self) -> Status:
        return Status(status="Failure", message=self.message, reason=self.reason, details=self.details, code=self.code)


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Gone(ApiError):
    code, reason = 410, "Gone"


class Expired(ApiError):
    """The wanted version is no longer in the history: list again, or go on with ``continue_`` in the state of now."""

    code, reason = 410, "Expired"

    def __init__(self, message: str, *, details: StatusDetails | None = None, continue_: str = "") -> None:
        super().__init__(message, details=details)
        self.continue_ = continue_

    def status(self) -> Status:
        status = super().status()
        status.metadata.continue_ = self.continue_
        return status


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


_BY_REASON: dict[str, type[ApiError]] = {kind.reason: kind for kind in ApiError.__subclasses__()}
_BY_CODE: dict[int, type[ApiError]] = {kind.code: kind for kind in reversed(ApiError.__subclasses__())}
# A bare 409 must not pass for "it is there already", which callers take for success.
_BY_CODE[Conflict.code] = Conflict


def from_status(status: Status, *, http_code: int = 0) -> ApiError:
    """The error that a Status tells of. An unknown reason falls back on the HTTP code."""
    code = status.code or http_code
    kind = _BY_REASON.get(status.reason) or _BY_CODE.get(code, ApiError)
    error = kind(status.message or f"the server answered {code}", details=status.details)
    error.code = code or kind.code
    return error


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field at fault: its path, a reason of Kubernetes' ``field.ErrorType``, and the sentence."""

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def required(path: str, detail: str = "") -> FieldError:
    return FieldError(path, "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""))


def invalid(path: str, value: object, detail: str) -> FieldError:
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")


def duplicate(path: str, value: object) -> FieldError:
    return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_supported(path: str, value: object, allowed: Sequence[str]) -> FieldError:
    values = ", ".join(f'"{item}"' for item in allowed if item)
    detail = f"Unsupported value: {shown(value)}: supported values: {values}"
    return FieldError(path, "FieldValueNotSupported", detail)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(path, "FieldValueForbidden", f"Forbidden: {detail}")


# A refusal must not be larger than what it refuses: a value is told at its place and once more in the whole.
_SHOWN_MAX = 1000
_LISTED_MAX = 10


def shown(value: object) -> str:
    """A value as Kubernetes tells it in a refusal."""
    if isinstance(value, str):
        if len(value) > _SHOWN_MAX:
            value = value[:_SHOWN_MAX] + "..."
        return '"' + _escaped(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    if value is None or isinstance(value, bool):
        return {None: '"null"', True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[]string{" + ", ".join(shown(one) for one in value[:_LISTED_MAX]) + "}"
    return str(value)


_NAMED = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}


def _escaped(text: str) -> str:
    """What cannot be seen, as Go's ``%q`` writes it: it must not act on the terminal that shows the refusal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _NAMED.get(ord(one)) or _numbered(ord(one)) for one in text)


def _numbered(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# A body of a few megabytes can break a rule a hundred thousand times; the refusal must not be larger than the body.
_TOLD_MAX = 100


def invalid_object(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Invalid:
    """The refusal of an object whose fields break rules; ``errors`` is not empty."""
    told = errors[:_TOLD_MAX]
    shown = [str(error) for error in told]
    if len(errors) > len(told):
        shown.append(f"and {len(errors) - len(told)} more")
    listed = shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"
    qualified = f"{kind}.{group}" if group else kind
    name = name[:_SHOWN_MAX]
    causes = [StatusCause(reason=error.reason, message=error.message, field=error.path) for error in told]
    details = StatusDetails(name=name, group=group, kind=kind, causes=causes)
    return Invalid(f'{qualified} "{name}" is invalid: {listed}', details=details)
