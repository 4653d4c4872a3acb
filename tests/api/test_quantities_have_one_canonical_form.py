"""Quantities: Kubernetes' canonical forms, and what is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.scalars import Quantity, whole_number

MOST = 2**63 - 1
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-3", "e0"]
FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
    "e3": Decimal(1000),
    "E-3": Decimal("1e-3"),
    "e0": Decimal(1),
}


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0Ki", "0"),
        ("0.5", "500m"),
        ("0.1", "100m"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        ("123456789", "123456789"),
        ("1000", "1k"),
        ("1000000", "1M"),
        ("2500M", "2500M"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e4", "120e3"),
        ("1e-3", "1e-3"),
        ("1E", "1E"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("-1024Ki", "-1Mi"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("1023", "1023"),
        ("64Mi", "64Mi"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("0.0000000001", "1n"),
        ("1e-999", "1e-9"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775807"),
        ("16Ei", "9223372036854775807"),
        ("-1e999", "-9223372036854775807"),
    ],
)
def test_canonical_forms(written: str, canonical: str) -> None:
    assert Quantity(written) == canonical
    assert Quantity(canonical) == canonical


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        " ",
        "1 ",
        " 1",
        "1\n",
        "a",
        "1KI",
        "1K",
        "1kk",
        "1mi",
        "--1",
        "+-1",
        "1.2.3",
        ".",
        "e3",
        "1e",
        "1e1000",
        "0x10",
        "1_000",
        "1,5",
        "NaN",
        "Infinity",
        "inf",
        "١",
        "１",
        "1" * 65,
        "1\0",
        "½",
    ],
)
def test_what_is_no_quantity_is_refused(hostile: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        Quantity(hostile)


def test_numbers_are_taken_as_they_are_written() -> None:
    assert Quantity(2) == "2"
    assert Quantity(0.25) == "250m"


def test_units_and_millis_are_rounded_up() -> None:
    assert Quantity("1500m").units == 2
    assert Quantity("1500u").millis == 2
    assert Quantity("-1500m").units == -1


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=3))
def test_the_canonical_form_is_a_fixed_point(number: Decimal) -> None:
    for suffix in SUFFIXES:
        once = Quantity(f"{number:f}{suffix}")
        assert Quantity(once) == once


@given(st.integers(-(10**9), 10**9), st.sampled_from(SUFFIXES))
def test_the_value_is_kept_and_cut_at_64_bits(number: int, suffix: str) -> None:
    exact = number * FACTORS[suffix]
    assert Quantity(f"{number}{suffix}").value == max(-MOST, min(MOST, exact))


@given(st.text(max_size=70))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        once = Quantity(text)
    except ValueError:
        return
    assert Quantity(once) == once


def test_what_is_no_whole_number_of_a_common_length_is_none() -> None:
    assert [whole_number(text) for text in ("0", "007", "9" * 20)] == [0, 7, 10**20 - 1]
    assert {whole_number(text) for text in ("", "-1", "1.0", " 1", "٣", "9" * 21, "9" * 5000)} == {None}
