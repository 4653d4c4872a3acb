"""Times have a zone; a MicroTime has six digits of fraction, always."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import decode, encode
from api.coordination import Lease
from api.core import Namespace
from api.scalars import MicroTime, now, now_micro


def renewed(text: str) -> Lease:
    return decode(f'{{"spec":{{"renewTime":"{text}"}}}}', Lease)


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_micro_time_has_six_digits(read: str, written: str) -> None:
    assert msgspec.json.decode(encode(renewed(read)))["spec"]["renewTime"] == written


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_a_micro_time_survives_the_wire(moment: datetime) -> None:
    lease = Lease()
    lease.spec.renew_time = MicroTime.combine(moment.date(), moment.time(), UTC)
    assert decode(encode(lease), Lease) == lease


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "0001-01-01T00:00:00+23:59"])
def test_a_bad_micro_time_is_refused_with_its_path(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.renewTime"):
        renewed(text)


def test_a_time_without_zone_is_refused_with_its_path() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"timezone.*\$\.metadata\.creationTimestamp"):
        decode('{"metadata":{"creationTimestamp":"2026-01-02T03:04:05"}}', Namespace)


def test_now_has_the_precision_of_its_kind() -> None:
    assert now().microsecond == 0
    assert now().tzinfo is UTC
    assert isinstance(now_micro(), MicroTime)
