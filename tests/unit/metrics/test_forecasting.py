"""What is to come, by what became of what came before."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.forecasting import (
    VERSION,
    Coming,
    Experience,
    Lag,
    OpenDeals,
    Span,
    Worth,
    by_age,
    coming,
    forecasts,
    lag_of,
    trust_in,
    unevenness,
    weighted,
)

AFTER_TEN = lag_of({10: 30}, {5: 70}, {}, 400)
"""Three of ten have it after ten days, the others are lost after five."""
AT_ONCE = lag_of({0: 1}, {}, {}, 400)


def deal(age: int = 0, closes_in: int | None = None, chance: float | None = None, amount: float = 100.0) -> OpenDeals:
    return OpenDeals(age, closes_in, chance, 1, amount, amount**2, amount**3)


def test_a_lag_is_the_incidence_of_the_vector() -> None:
    found = lag_of({10: 8, 25: 8, 40: 8}, {5: 8, 12: 8, 20: 8, 33: 8}, {60: 24}, 90)
    assert found.within(45) == pytest.approx(0.3)
    assert float(found.waiting[45]) == pytest.approx(0.3)
    assert found.decided == 56


def test_who_has_waited_past_the_others_loss_is_sure_to_win() -> None:
    assert AFTER_TEN.between(0, 0, 20) == pytest.approx(0.3)
    assert AFTER_TEN.between(6, 0, 20) == pytest.approx(1.0), "all that are lost are lost by then"
    assert AFTER_TEN.between(6, 5, 20) == 0, "and won by then"
    assert AFTER_TEN.between(11, 0, 20) == 0, "nobody ever won that late"


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_chances_of_one_span_after_another_add_up(age: int, start: int, some: int, more: int) -> None:
    lag = lag_of({3: 5, 17: 9, 44: 2}, {8: 4, 30: 11}, {12: 3, 50: 6}, 200)
    parts = lag.between(age, start, start + some) + lag.between(age, start + some, start + some + more)
    assert lag.between(age, start, start + some + more) == pytest.approx(parts)
    assert 0 <= parts <= 1 + 1e-9


def steady(days: int = 400) -> tuple[Experience, list[OpenDeals]]:
    """A business in which each day 2 leads come of whom a quarter becomes a deal within weeks, and half of those are won."""
    leads = lag_of({4: 10, 12: 10, 20: 5}, {2: 25, 30: 50}, {}, days)
    deals = lag_of({10: 20, 60: 30}, {5: 10, 90: 40}, {}, days)
    waiting = {age: float(leads.waiting[age]) * 2 for age in range(31)}
    opened = 2 * 0.25 + 0.1
    open_deals = [
        OpenDeals(age, None, None, 1, 100 * n, 100**2 * n, 100**3 * n)
        for age in range(91)
        if (n := opened * float(deals.waiting[age])) > 0
    ]
    known = Experience(deals, leads, 2.0, 500, 1.0, 0.1, Worth(200, 100.0, 100.0**2, 100.0**3), waiting)  # type: ignore[arg-type]
    return known, open_deals


def test_forecasts_say_something_else_of_the_same_business_only_in_another_version() -> None:
    known, open_deals = steady()
    span = Span(7, 97)
    said = [deal(20, 40, 0.6), *open_deals]
    found = forecasts(1_000.0, said, known, coming(known, span), span)
    figures = {method: (round(part.mean, 2), round(part.sd, 2)) for method, part in found.items()}
    expected = {"weighted": (1060.0, 48.99), "historical": (3772.86, 528.23), "combined": (3781.43, 527.86)}
    assert (VERSION, figures) == (1, expected), "raise VERSION with whatever changes these"


@pytest.mark.parametrize("span", [Span(0, 30), Span(30, 90), Span(0, 365)])
def test_a_steady_business_is_forecast_to_go_on(span: Span) -> None:
    known, open_deals = steady()
    found = forecasts(0.0, open_deals, known, coming(known, span), span)["historical"]
    days = span.end - span.start
    assert found.mean == pytest.approx((2 * 0.25 + 0.1) * 0.5 * 100 * days, rel=0.03)
    assert found.interval.low < found.mean < found.interval.high
    assert found.made_of["open_deals"] + found.made_of["open_leads"] + found.made_of["coming_leads"] + found.made_of[
        "later_deals"
    ] == pytest.approx(found.mean)


def test_arrivals_that_are_uneven_or_little_known_spread_the_forecast() -> None:
    known, _ = steady()
    usual = coming(known, Span(0, 90)).variance
    uneven = Experience(**{name: getattr(known, name) for name in known.__slots__} | {"unevenness": 4.0})
    few = Experience(**{name: getattr(known, name) for name in known.__slots__} | {"leads_seen": 10})
    assert coming(uneven, Span(0, 90)).variance > 1.2 * usual
    assert coming(few, Span(0, 90)).variance > usual
    assert coming(uneven, Span(0, 90)).mean == pytest.approx(coming(known, Span(0, 90)).mean)


def test_unevenness_is_one_for_what_comes_by_chance_and_more_for_what_comes_in_lumps() -> None:
    assert unevenness([]) == unevenness([7]) == unevenness([5, 5, 5]) == 1
    assert unevenness([0, 20, 0, 20]) == pytest.approx(400 / 3 / 10)


@pytest.mark.parametrize("lump", [1, 2, 3])
def test_wins_that_come_in_lumps_are_each_worth_something_by_themselves(lump: int) -> None:
    """Lumps that come by chance have as much of a third moment as the mean of their own cube, by every lump that there can be."""
    amounts = (10.0, 20.0, 600.0)
    worth = Worth(3, *(sum(one**power for one in amounts) / 3 for power in (1, 2, 3)))
    known = Experience(AT_ONCE, AT_ONCE, 2.0, 400, lump, 0.0, worth)
    found = coming(known, Span(0, 30))
    of_a_lump = sum(sum(each) ** 3 for each in product(amounts, repeat=lump)) / 3**lump
    assert found.third == pytest.approx(found.mean / worth.mean / lump * of_a_lump)


def test_parts_of_what_comes_add_up_to_it() -> None:
    known, _ = steady()
    whole = coming(known, Span(10, 60))
    parts = [whole.share(part) for part in (0.2, 0.3, 0.5)]
    assert sum(part.mean for part in parts) == pytest.approx(whole.mean)
    assert sum(part.variance for part in parts) == pytest.approx(whole.variance)


def test_what_people_say_counts_where_they_say_it() -> None:
    deals = [deal(closes_in=20, chance=0.5), deal(closes_in=None, chance=0.5), deal(closes_in=50, chance=None)]
    assert trust_in(deals, Span(0, 30)) == pytest.approx(0.5 / 3)
    assert weighted(deals, Span(0, 30)).mean == pytest.approx(50)
    assert by_age(deals, AFTER_TEN, Span(0, 30)).mean == pytest.approx(90)
    known = Experience(AFTER_TEN, AT_ONCE, 0.0, 0, 1.0, 0.0, Worth())
    found = forecasts(1000.0, deals, known, Coming(), Span(0, 30))
    assert found["combined"].mean == pytest.approx(1000 + (50 + 30) / 2 + 30 + 30), "of one deal people say something"
    assert found["combined"].made_of["trust"] == pytest.approx(0.5 / 3)
    assert found["weighted"].mean == pytest.approx(1050)
    assert all(part.interval.low >= 1000 for part in found.values())


ALIKE = st.builds(
    deal,
    age=st.integers(0, 30),
    closes_in=st.none() | st.integers(-90, 90),
    chance=st.none() | st.sampled_from((0.0, 0.15, 0.7, 1.0)),
    amount=st.integers(-1_000, 1_000_000),
)


@given(
    st.lists(ALIKE, max_size=6), st.lists(ALIKE, max_size=6), st.integers(0, 80), st.integers(1, 80), st.integers(0, 80)
)
def test_forecasts_of_owners_add_up_to_those_of_everybody(
    one: list[OpenDeals], other: list[OpenDeals], start: int, days: int, begun: int
) -> None:
    known, span = Experience(AFTER_TEN, AT_ONCE, 0.0, 0, 1.0, 0.0, Worth()), Span(start, start + days, begun)
    own, others, everybody = (forecasts(0.0, deals, known, Coming(), span) for deals in (one, other, one + other))
    for method, part in everybody.items():
        assert part.mean == pytest.approx(own[method].mean + others[method].mean, abs=1e-6), method


@given(st.lists(ALIKE, max_size=6), st.integers(0, 60), st.integers(1, 60), st.integers(1, 60))
def test_forecasts_of_one_period_after_another_add_up_to_those_of_both(
    deals: list[OpenDeals], begun: int, some: int, more: int
) -> None:
    known = Experience(AFTER_TEN, AT_ONCE, 0.0, 0, 1.0, 0.0, Worth())
    whole, first, second = (
        forecasts(0.0, deals, known, Coming(), span)
        for span in (Span(0, some + more, begun), Span(0, some, begun), Span(some, some + more, begun))
    )
    for method, part in whole.items():
        assert part.mean == pytest.approx(first[method].mean + second[method].mean, abs=1e-6), method


def test_an_overdue_deal_is_to_close_in_the_period_it_was_to_close_in_as_long_as_that_runs() -> None:
    overdue = [deal(closes_in=-20, chance=0.5)]
    running, next_one, after_it = Span(0, 45, begun=45), Span(45, 135, begun=45), Span(0, 70, begun=15)
    assert weighted(overdue, running).mean == pytest.approx(50)
    assert weighted(overdue, next_one).mean == weighted(overdue, after_it).mean == 0
    assert trust_in(overdue, running) == trust_in(overdue, next_one) == 0.5
    assert trust_in(overdue, after_it) == 0, "nobody says any more when it is to close"


def test_nothing_known_is_nothing_forecast() -> None:
    nothing = Lag(np.zeros(400), np.ones(400), 0)
    known = Experience(nothing, nothing, 0.0, 0, 1.0, 0.0, Worth())
    found = forecasts(0.0, [], known, coming(known, Span(0, 90)), Span(0, 90))
    assert {part.mean for part in found.values()} == {0}
    assert not any(math.isnan(part.interval.high) for part in found.values())


def test_a_period_that_is_over_brings_nothing_more() -> None:
    known, open_deals = steady()
    span = Span(0, 0)
    found = forecasts(700.0, open_deals, known, coming(known, span), span)
    assert {(part.mean, part.interval.low, part.interval.high) for part in found.values()} == {(700, 700, 700)}
