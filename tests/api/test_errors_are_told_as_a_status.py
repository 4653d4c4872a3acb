"""Errors and the Status that carries them."""

import pytest

from api.codec import decode, encode
from api.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    Gone,
    InternalError,
    NotFound,
    duplicate,
    forbidden,
    from_status,
    invalid,
    invalid_object,
    not_supported,
    required,
)
from api.meta import Status


@pytest.mark.parametrize("kind", ApiError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_error_survives_the_wire(kind: type[ApiError]) -> None:
    error = kind("said")
    again = from_status(decode(encode(error.status()), Status))
    assert type(again) is kind
    assert (again.message, again.code, again.reason) == ("said", kind.code, kind.reason)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, BadRequest),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (500, InternalError),
        (418, ApiError),
    ],
)
def test_an_unknown_reason_falls_back_on_the_code(code: int, kind: type[ApiError]) -> None:
    error = from_status(Status(reason="OfTheirOwn"), http_code=code)
    assert type(error) is kind
    assert error.code == code
    assert str(code) in error.message


def test_reasons_tell_apart_what_codes_do_not() -> None:
    assert type(from_status(Status(reason="AlreadyExists", code=409))) is AlreadyExists
    assert type(from_status(Status(reason="Expired", code=410))) is Expired


def test_an_invalid_object_names_all_its_fields() -> None:
    errors = [required("spec.containers"), invalid("spec.replicas", -1, "must be greater than or equal to 0")]
    one = invalid_object("", "Pod", "web", errors[:1])
    assert one.message == 'Pod "web" is invalid: spec.containers: Required value'
    both = invalid_object("apps", "Deployment", "web", errors)
    assert both.message == (
        'Deployment.apps "web" is invalid: [spec.containers: Required value, '
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0]"
    )
    status = both.status()
    assert (status.code, status.reason, status.status) == (422, "Invalid", "Failure")
    assert status.details is not None
    assert (status.details.name, status.details.group, status.details.kind) == ("web", "apps", "Deployment")
    assert [(cause.reason, cause.field) for cause in status.details.causes] == [
        ("FieldValueRequired", "spec.containers"),
        ("FieldValueInvalid", "spec.replicas"),
    ]


def test_field_errors_say_what_kubernetes_says() -> None:
    assert str(required("a", "b is wanted")) == "a: Required value: b is wanted"
    assert str(invalid("a", 'x"\\', "no")) == 'a: Invalid value: "x\\"\\\\": no'
    assert str(invalid("a", True, "no")) == "a: Invalid value: true: no"
    assert str(invalid("a", None, "no")) == 'a: Invalid value: "null": no'
    assert str(duplicate("a", "x")) == 'a: Duplicate value: "x"'
    assert str(forbidden("a", "no")) == "a: Forbidden: no"
    assert str(not_supported("a", "x", ("", "y", "z"))) == 'a: Unsupported value: "x": supported values: "y", "z"'
    assert str(invalid("a", 'x"\n\x07\x01\u200b', "w")) == r'a: Invalid value: "x\"\n\a\x01\u200b": w'
    listed = not_supported("a", ["x", '"'], ("All",))
    assert str(listed) == 'a: Unsupported value: []string{"x", "\\""}: supported values: "All"'
