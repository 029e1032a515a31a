"""What an amount is worth in another currency on a day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.rates import Rate, Rates

MARCH = date(2026, 3, 1)


def known(*rates: tuple[str, str, int, str]) -> Rates:
    return Rates([Rate(one, other, MARCH + timedelta(days=on), Decimal(rate)) for one, other, on, rate in rates])


@pytest.mark.parametrize(
    ("on", "expected"), [(-1, None), (0, "0.90"), (4, "0.90"), (5, "0.80"), (500, "0.80")]
)  # fmt: skip
def test_a_rate_holds_from_its_day_until_the_next_and_not_before(on: int, expected: str | None) -> None:
    rates = known(("USD", "EUR", 5, "0.80"), ("USD", "EUR", 0, "0.90"))
    assert rates.at("USD", "EUR", MARCH + timedelta(days=on)) == (None if expected is None else Decimal(expected))


def test_a_rate_may_be_turned_round_and_of_two_the_later_one_holds() -> None:
    rates = known(("EUR", "USD", 0, "1.25"), ("USD", "EUR", 3, "0.7"), ("EUR", "USD", 6, "2"))
    found = [rates.at("USD", "EUR", MARCH + timedelta(days=on)) for on in (0, 3, 6)]
    assert found == [Decimal("0.8"), Decimal("0.7"), Decimal("0.5")]


def test_two_currencies_without_a_rate_are_compared_through_a_third() -> None:
    rates = known(("USD", "EUR", 0, "0.8"), ("GBP", "EUR", 2, "1.2"))
    assert rates.at("USD", "GBP", MARCH) is None
    found = rates.at("USD", "GBP", MARCH + timedelta(days=2))
    assert found is not None
    assert abs(found - Decimal("0.8") / Decimal("1.2")) < Decimal("1e-25")
    assert rates.at("USD", "CHF", MARCH) is None
    assert rates.at("CHF", "CHF", MARCH) == 1


@given(
    st.lists(st.tuples(st.sampled_from(("AB", "BA")), st.integers(0, 9), st.integers(1, 50)), max_size=12),
    st.integers(-1, 10),
)
def test_the_last_word_of_that_day_or_before_holds(said: list[tuple[str, int, int]], on: int) -> None:
    by_place = {(pair, day): rate for pair, day, rate in said}
    rates = Rates(
        [Rate(pair[0], pair[1], MARCH + timedelta(days=day), Decimal(rate)) for (pair, day), rate in by_place.items()]
    )
    expected: Fraction | None = None
    for day in range(on + 1):
        if ("BA", day) in by_place:
            expected = Fraction(1, by_place["BA", day])
        if ("AB", day) in by_place:
            expected = Fraction(by_place["AB", day])
    found = rates.at("A", "B", MARCH + timedelta(days=on))
    assert (found is None) == (expected is None)
    assert expected is None or abs(Fraction(found or 0) - expected) < Fraction(1, 10**25)
