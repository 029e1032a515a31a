"""The sums that measurements rest on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.arithmetic import Verdict, highest, is_sustained, median, percentile, ratio, slope, verdict, waits

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5.0], 0.99, 5.0), ([1.0, 2.0], 0.5, 1.5), ([4.0, 1.0, 3.0, 2.0], 0.0, 1.0), ([4.0, 1.0, 3.0, 2.0], 1.0, 4.0)],
)
def test_a_percentile_lies_between_its_neighbours(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@given(NUMBERS)
def test_the_half_percentile_is_the_median(values: list[float]) -> None:
    assert percentile(values, 0.5) == pytest.approx(statistics.median(values))


@given(NUMBERS, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_has_a_smaller_percentile(values: list[float], one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert percentile(values, small) <= percentile(values, large) + 1e-6


def test_of_nothing_there_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(median([]))
    assert ratio(1.0, 0.0) is None
    assert ratio(1.0, math.nan) is None


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_the_slope_of_a_line_is_its_own(rise: float, start: float) -> None:
    assert slope([(x, start + rise * x) for x in range(10)]) == pytest.approx(rise, abs=1e-6)


def test_one_moment_has_no_slope() -> None:
    assert slope([(1.0, 5.0)]) == 0.0
    assert slope([(1.0, 5.0), (1.0, 7.0)]) == 0.0


def backlog(*left: float) -> list[tuple[float, float]]:
    return [(float(second), one) for second, one in enumerate(left)]


STEADY = backlog(90, 110, 100, 95, 105, 100)


@pytest.mark.parametrize(
    ("rate", "accepted", "seen", "sustained"),
    [
        (1000, 1000, STEADY, True),
        (1000, 940, STEADY, False),  # not really posted
        (1000, 1000, [], False),  # nobody looked
        (1000, 1000, backlog(100, 500, 1200, 1600, 1900, 2400), False),  # more than two seconds' worth are left
        (1000, 1000, backlog(0, 100, 200, 400, 800, 1200), False),  # it grows
        (1000, 1000, backlog(1500, 1200, 900, 600, 300, 200), True),  # it shrinks
    ],
)
def test_a_rate_is_sustained_when_it_is_posted_and_nothing_piles_up(
    rate: int, accepted: float, seen: Sequence[tuple[float, float]], sustained: bool
) -> None:
    assert is_sustained(rate, accepted, seen) is sustained


def test_what_failed_by_little_is_worth_another_look() -> None:
    assert verdict(1000, 1000, STEADY) is Verdict.HOLDS
    assert verdict(1000, 930, STEADY) is Verdict.CLOSE
    assert verdict(1000, 1000, backlog(0, 800, 1600, 2400, 3200)) is Verdict.CLOSE
    assert verdict(1000, 1000, backlog(0, 2000, 4000, 5000)) is Verdict.FAILS
    assert verdict(1000, 500, STEADY) is Verdict.FAILS


def test_a_probe_that_is_never_seen_has_waited_until_the_looking_ended() -> None:
    assert waits([1.0, 2.0, 3.0], [1.5, 2.5], gave_up_at=63.0) == [0.5, 0.5, 60.0]
    assert waits([1.0, 2.0], [], gave_up_at=62.0) == [61.0, 60.0]
    assert percentile(waits([0.0] * 100, [0.1] * 98, gave_up_at=60.0), 0.99) > 59


def test_what_is_seen_without_having_been_sent_has_no_wait() -> None:
    assert waits([1.0], [1.25, 1.5], gave_up_at=9.0) == [0.25]


@given(st.integers(0, 20))
def test_halving_finds_the_highest_rate_that_holds(limit: int) -> None:
    rates = list(range(1, 16))
    found = highest(rates, lambda rate: Verdict.HOLDS if rate <= limit else Verdict.FAILS)
    assert found == (min(limit, 15) if limit else None)


def test_a_close_miss_is_looked_at_once_more_and_others_are_not() -> None:
    looks: list[int] = []

    def look(rate: int) -> Verdict:
        looks.append(rate)
        if rate == 3:
            return Verdict.HOLDS if looks.count(3) == 2 else Verdict.CLOSE
        return Verdict.HOLDS if rate < 3 else Verdict.FAILS

    assert highest([1, 2, 3, 4, 5], look) == 3
    assert looks.count(3) == 2
    assert looks.count(4) == 1
