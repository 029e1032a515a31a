"""A sketch tells what it was made of within one per cent, and takes back what it was given."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain import sketches
from services.metrics.domain.sketches import (
    amount_bucket,
    amount_of,
    blocks_between,
    blocks_of,
    duration_bucket,
    first_day_of,
    permille_of,
    quantiles,
    seconds_of,
)
from services.metrics.domain.statistics import QUANTILES, quantile

DAY = 86_400.0
SECONDS = st.floats(0.0102, 20 * 365 * DAY) | st.integers(1, 3650).map(lambda days: days * DAY)
AMOUNTS = st.decimals("0.01", "100000000000000", places=2)


@given(SECONDS)
def test_a_duration_is_told_within_one_per_cent(seconds: float) -> None:
    assert seconds_of(duration_bucket(seconds)) == pytest.approx(seconds, rel=0.01, abs=1e-6)


@given(AMOUNTS, st.sampled_from((1, -1)))
def test_an_amount_is_told_within_one_per_cent(amount: Decimal, sign: int) -> None:
    assert amount_of(amount_bucket(sign * amount)) == pytest.approx(float(sign * amount), rel=0.01)


def test_nothing_is_told_as_nothing() -> None:
    assert (duration_bucket(0.0), seconds_of(0)) == (0, 0.0)
    assert (amount_bucket(Decimal(0)), amount_of(0)) == (0, 0.0)


@given(st.integers(1, 3650))
def test_within_so_many_days_is_exact(days: int) -> None:
    at = duration_bucket(days * DAY)
    assert seconds_of(at) <= days * DAY < seconds_of(duration_bucket(days * DAY + 1e-6))


def test_bounds_rise_by_no_more_than_a_fiftieth() -> None:
    for bounds in (list(map(Decimal, sketches.DURATION_BOUNDS[1:])), list(sketches.AMOUNT_BOUNDS)):
        assert all(low < high <= low * Decimal("1.0202") for low, high in pairwise(bounds))


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_quantiles_are_those_of_the_values_within_one_per_cent(values: list[float]) -> None:
    counts = Counter(seconds_of(duration_bucket(value)) for value in values)
    ordered = sorted(values)
    for found, share in zip(quantiles(counts) or (), QUANTILES, strict=True):
        assert found == pytest.approx(quantile(ordered, share), rel=0.01, abs=1e-6)


@given(st.lists(SECONDS, max_size=30), st.lists(SECONDS, max_size=30))
def test_what_is_taken_away_again_leaves_nothing_behind(kept: list[float], gone: list[float]) -> None:
    counts = Counter(map(duration_bucket, [*kept, *gone]))
    counts.subtract(map(duration_bucket, gone))
    assert {bucket: n for bucket, n in counts.items() if n} == Counter(map(duration_bucket, kept))


def test_no_values_have_no_quantiles() -> None:
    assert quantiles({}) is None
    assert quantiles({5.0: 0}) is None


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 1200), st.lists(st.integers(0, 1200), max_size=5))
def test_blocks_are_exactly_the_days_of_a_window_and_few(first: date, days: int, bounds: list[int]) -> None:
    after, cuts = first + timedelta(days=days), [first + timedelta(days=one) for one in bounds]
    blocks = blocks_of(first, after, cuts)
    found: list[date] = []
    for block in blocks:
        length = 8 ** (block // sketches.LEVEL_STRIDE)
        of_block = [first_day_of(block) + timedelta(days=one) for one in range(length)]
        assert not any(of_block[0] < cut <= of_block[-1] for cut in cuts)
        found += of_block
    assert found == [first + timedelta(days=one) for one in range(days)]
    assert len(list(blocks_between(first, after))) <= 28 + days / 64


@pytest.mark.parametrize(
    ("probability", "permille"), [(0.0, 0), (1.0, 1000), (0.0005, 1), (0.12345, 123), (0.0625, 63)]
)
def test_a_probability_in_thousandths_is_rounded_as_people_do(probability: float, permille: int) -> None:
    assert permille_of(probability) == permille
