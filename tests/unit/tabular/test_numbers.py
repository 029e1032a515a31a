"""Numbers as people write them are read as they mean them, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tabular.fields import Unusable
from shared.tabular.numbers import DECIMALS, is_plain, read_number


@pytest.mark.parametrize(
    ("text", "decimal", "read"),
    [
        ("1.234,50", ",", "1234.50"),
        ("1 234,5 €", ",", "1234.5"),
        ("€ 12.000", ",", "12000"),
        ("9500", ",", "9500"),
        ("0,99", ",", "0.99"),
        ("$1,234,567.89", ".", "1234567.89"),
        ("12,34,567.00", ".", "1234567.00"),
        ("1'200.00", ".", "1200.00"),
        ("1’200", ".", "1200"),
        ("(99.00)", ".", "-99.00"),
        ("−5,00", ",", "-5.00"),
        ("۱۲٬۵۰۰٫۷۵", ".", "12500.75"),
        ("₹ 4,981.0", ".", "4981.0"),
    ],
)
def test_a_number_is_read_by_its_decimal_sign(text: str, decimal: str, read: str) -> None:
    assert read_number(text, "amount", decimal) == read


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("1.5", ","),
        ("1,5", "."),
        ("1.234.5", ","),
        ("12,3456", "."),
        ("-", "."),
        ("EUR 5", "."),
        ("1e3", "."),
        ("5.", "."),
    ],
)
def test_what_could_mean_something_else_is_no_number(text: str, decimal: str) -> None:
    with pytest.raises(Unusable, match="amount: is no number"):
        read_number(text, "amount", decimal)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2), st.sampled_from(DECIMALS), st.booleans())
def test_whatever_is_written_is_read_back(number: Decimal, decimal: str, grouped: bool) -> None:
    text = f"{number:,.2f}" if grouped else f"{number:.2f}"
    if decimal == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    read = read_number(text, "amount", decimal)
    assert Decimal(read) == number
    assert is_plain(read)
