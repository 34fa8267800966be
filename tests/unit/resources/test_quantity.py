"""Quantities are written as the API server writes them back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.resources.quantity import amount, canonical

QUANTITIES = st.builds(
    lambda whole, fraction, suffix: f"{whole}{fraction}{suffix}",
    st.integers(0, 99_999),
    st.sampled_from(["", ".5", ".25", ".1", ".001", ".0004"]),
    st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]),
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("2048Ki", "2Mi"),
        ("0.5Ki", "512"),
        ("1.3Ki", "1331200m"),
        ("0Mi", "0"),
        ("0.0001", "1m"),
        ("1.5k", "1500"),
        ("1000T", "1P"),
        ("1024Ti", "1Pi"),
    ],
)
def test_is_stored_as(written: str, stored: str) -> None:
    assert canonical(written) == stored


@given(QUANTITIES)
def test_a_canonical_quantity_is_whole_and_stays_as_it_is(text: str) -> None:
    once = canonical(text)
    assert "." not in once
    assert canonical(once) == once


@given(QUANTITIES)
def test_the_amount_is_kept_but_for_less_than_a_thousandth(text: str) -> None:
    assert 0 <= amount(canonical(text)) - amount(text) < Fraction(1, 1000)


@pytest.mark.parametrize("text", ["", "1 Gi", "-1", "1e3", "Mi", "1Ei", "1.Gi", "¹"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        amount(text)
