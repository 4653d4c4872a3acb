"""Scalars of the API that JSON has no type for: quantities, times, and the integer-or-string.

Each is checked and brought to its canonical form when it is decoded, so that nothing behind the door meets a
malformed one.
"""

import re
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import lru_cache
from time import time
from typing import Annotated, Any

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1, extra={"format": "int32"})]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1, extra={"format": "int64"})]
IntOrString = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | str
# Go refuses a time without a zone, and one with a zone cannot be compared with one without.
Time = Annotated[datetime, msgspec.Meta(tz=True)]

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_WHOLE = re.compile("[0-9]{1,20}")
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([EPTGMK]i)|([eE][+-]?\d{1,3})|([numkMGTPE]?))", re.ASCII)
_FORM_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NANO = Decimal("1e-9")
# Go holds at most a 64-bit integer; Kubernetes cuts what is more.
_MOST = Decimal(2**63 - 1)
# 64 characters times an exbibyte, exactly.
_EXACT = Context(prec=128)


class Quantity(str):
    """An amount of a resource in Kubernetes' notation, in canonical form: ``0.5`` becomes ``500m``, ``1024Ki``
    becomes ``1Mi``.

    The canonical form keeps the family of suffixes that was written (binary, decimal or exponent), has no fraction,
    and uses the largest
    suffix that allows that. Finer than a billionth is rounded up, and more than 2**63 - 1 is cut to that, as Kubernetes
    does.
    """

    __slots__ = ()

    def __new__(cls, text: str | int | float) -> "Quantity":
        return super().__new__(cls, _canonical(text if isinstance(text, str) else str(text)))

    @property
    def value(self) -> Decimal:
        """The exact amount in base units (cores, bytes, pieces)."""
        return _parse(self)[0]

    @property
    def units(self) -> int:
        """The amount in whole base units, rounded up."""
        return _ceil(self.value)

    @property
    def millis(self) -> int:
        """The amount in thousandths, rounded up: millicores of a CPU quantity."""
        return _ceil(self.value * 1000)


def _ceil(value: Decimal) -> int:
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


# The same few amounts stand in nearly all pods. Bounded, since clients choose the text; what is too long raises.
@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Decimal, str]:
    """Amount in base units and the family of the suffix: "binary", "exponent" or "decimal"."""
    match = _FORM.fullmatch(text)
    if match is None or len(text) > 64:
        raise ValueError(_FORM_ERROR)
    number, binary, exponent, decimal = match.groups()
    if binary:
        return _EXACT.multiply(Decimal(number), Decimal(_BINARY[binary])), "binary"
    if exponent:
        return Decimal(number + exponent), "exponent"
    return _EXACT.scaleb(Decimal(number), _DECIMAL[decimal]), "decimal"


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    value, family = _parse(text)
    value = max(-_MOST, min(_MOST, value)).quantize(_NANO, rounding="ROUND_UP", context=_EXACT)
    if family == "binary" and value == value.to_integral_value() and value.copy_abs() >= 1024:
        return _binary_text(int(value))
    if value == 0:
        return "0"
    return _decimal_text(value, exponent_form=family == "exponent")


def _binary_text(value: int) -> str:
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        if value % _BINARY[suffix] == 0:
            return f"{value // _BINARY[suffix]}{suffix}"
    return str(value)


def _decimal_text(value: Decimal, *, exponent_form: bool) -> str:
    # A whole number of billionths, so the last step always fits.
    exponent = next(step for step in range(18, -10, -3) if _is_whole(_EXACT.scaleb(value, -step)))
    scaled = int(_EXACT.scaleb(value, -exponent))
    if exponent_form:
        return f"{scaled}e{exponent}" if exponent else f"{scaled}"
    return f"{scaled}{_DECIMAL_SUFFIX[exponent]}"


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


Resources = dict[str, Quantity]


class MicroTime(datetime):
    """A point of time that is written with exactly six digits of fraction, as client-go demands of
    ``metav1.MicroTime``."""

    @classmethod
    def from_text(cls, text: str) -> "MicroTime":
        """Raises ValueError for text that is no RFC 3339 time with a zone."""
        try:
            when = _in_utc(msgspec.convert(text, Time))
        except (msgspec.ValidationError, OverflowError) as error:
            # Only a ValueError is given the path of its field.
            raise ValueError("Invalid RFC3339 encoded datetime") from error
        return cls(when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond, UTC)

    def wire(self) -> str:
        return f"{_in_utc(self).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def _in_utc(when: datetime) -> datetime:
    # Nearly all are; and every heartbeat of a node comes by here, twice.
    return when if when.tzinfo is UTC else when.astimezone(UTC)


def whole_number(text: str) -> int | None:
    """What somebody wrote, as Go reads an unsigned number: digits alone, as many as one of 64 bits has. None for all
    else; ``int`` takes more, and refuses very long ones."""
    return int(text) if _WHOLE.fullmatch(text) else None


def now() -> Time:
    """This moment in UTC, cut to whole seconds: the precision of ``metav1.Time``."""
    return datetime.fromtimestamp(int(time()), UTC)


def now_micro() -> MicroTime:
    return MicroTime.now(UTC)


def encode_scalar(value: Any) -> Any:
    """msgspec's ``enc_hook``: what JSON is written for our own scalars."""
    if isinstance(value, Quantity):
        return str.__str__(value)
    if isinstance(value, MicroTime):
        return value.wire()
    raise TypeError(f"cannot encode a {type(value).__name__}")


def decode_scalar(kind: type, value: Any) -> Any:
    """msgspec's ``dec_hook``. A ValueError becomes a ValidationError that names the field."""
    if kind is Quantity and isinstance(value, str | int | float) and not isinstance(value, bool):
        return Quantity(value)
    if kind is MicroTime and isinstance(value, str):
        return MicroTime.from_text(value)
    raise ValueError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
