"""Our own reading of a certificate's end, beside that of a library."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from client.expiry import not_after, ttl_s

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(until: datetime, name: str = "a") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, KEY.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime(1980, 1, 1)).not_valid_after(until)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@given(st.datetimes(datetime(1980, 1, 2), datetime(2200, 1, 1)), st.text("abc", min_size=1, max_size=64))
def test_it_is_what_the_library_reads(until: datetime, name: str) -> None:
    pem = certificate(until.replace(microsecond=0), name)
    assert not_after(pem) == x509.load_pem_x509_certificate(pem).not_valid_after_utc


def test_what_was_written_behind_it_is_left_alone() -> None:
    until = datetime(2040, 2, 3, 4, 5, 6)
    pem = b"a comment\n" + certificate(until) + certificate(datetime(2050, 1, 1))
    assert not_after(pem) == until.replace(tzinfo=UTC)


def test_the_time_that_is_left_may_be_over_or_without_end() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    assert ttl_s(certificate(now + timedelta(hours=1))) == pytest.approx(3600, abs=60)
    assert ttl_s(certificate(now - timedelta(hours=1))) == pytest.approx(-3600, abs=60)
    assert ttl_s(b"") == math.inf


@given(st.binary(max_size=400), st.integers(0, 400))
def test_what_is_no_certificate_has_no_end_and_breaks_nothing(junk: bytes, at: int) -> None:
    pem = certificate(datetime(2040, 1, 1))
    assert not math.isnan(ttl_s(pem[:60] + junk + pem[at:]))
    assert ttl_s(junk) == math.inf
