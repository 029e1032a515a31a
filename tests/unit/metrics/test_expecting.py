"""What deals are worth together that may be won or lost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.expecting import Deal, Moments, interval_by_moments, interval_of

VECTOR = [Deal(80_000, 0.70), Deal(50_000, 0.40), Deal(120_000, 0.15), Deal(30_000, 0.90)]

some_deals = st.lists(st.builds(Deal, st.integers(-500, 5_000).map(float), st.floats(0, 1)), max_size=8)
levels = st.sampled_from([0.5, 0.8, 0.95])


def moments_of(deals: Iterable[Deal]) -> Moments:
    """The moments of the sum of deals that are won or lost independently of each other."""
    known = list(deals)
    return Moments(
        sum(amount * p for amount, p in known),
        sum(amount**2 * p * (1 - p) for amount, p in known),
        sum(amount**3 * p * (1 - p) * (1 - 2 * p) for amount, p in known),
        sum(min(amount, 0.0) for amount, p in known if p > 0) + sum(amount for amount, p in known if p == 1 and amount > 0),
        sum(max(amount, 0.0) for amount, p in known if p > 0) + sum(amount for amount, p in known if p == 1 and amount < 0),
    )  # fmt: skip


def test_the_vector() -> None:
    found = moments_of(VECTOR)
    assert found.mean == pytest.approx(121_000)
    assert math.sqrt(found.variance) == pytest.approx(62_137, abs=0.5)


def outcomes(deals: list[Deal]) -> list[tuple[float, float]]:
    """Every way that deals can end, with its sum and chance."""
    found = []
    for ends in product((False, True), repeat=len(deals)):
        chance = math.prod(deal.chance if won else 1 - deal.chance for deal, won in zip(deals, ends, strict=True))
        found.append((sum(deal.amount for deal, won in zip(deals, ends, strict=True) if won), chance))
    return found


@given(some_deals)
def test_moments_are_those_of_all_outcomes(deals: list[Deal]) -> None:
    every, found = outcomes(deals), moments_of(deals)
    mean = sum(value * chance for value, chance in every)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.variance == pytest.approx(
        sum((value - mean) ** 2 * chance for value, chance in every), rel=1e-6, abs=1e-3
    )
    assert found.third == pytest.approx(sum((value - mean) ** 3 * chance for value, chance in every), rel=1e-6, abs=1e3)
    possible = [value for value, chance in every if chance > 0]
    assert found.least <= min(possible) + 1e-6
    assert found.most >= max(possible) - 1e-6


@given(some_deals, levels)
def test_an_interval_has_at_least_its_share_of_all_outcomes(deals: list[Deal], level: float) -> None:
    found = interval_of(deals, level)
    inside = sum(chance for value, chance in outcomes(deals) if found.low - 1e-6 <= value <= found.high + 1e-6)
    assert inside >= level - 1e-6


def simulated(deals: list[Deal], random: Random, times: int = 20_000) -> list[float]:
    return sorted(sum(a for a, p in deals if random.random() < p) for _ in range(times))


@pytest.mark.parametrize(("n", "seed"), [(13, 1), (40, 2), (150, 3)])
def test_more_deals_are_as_a_simulation_has_them(n: int, seed: int) -> None:
    random = Random(seed)
    deals = [Deal(round(random.lognormvariate(9, 1.2), 2), random.choice((0.15, 0.4, 0.7, 0.9))) for _ in range(n)]
    sums = simulated(deals, random)
    most = sum(deal.amount for deal in deals)
    exact, near = interval_of(deals, 0.8), interval_by_moments(moments_of(deals), 0.8)
    for found in (exact, near):
        assert found.low == pytest.approx(sums[2_000], abs=0.03 * most)
        assert found.high == pytest.approx(sums[18_000], abs=0.03 * most)
    inside = sum(exact.low <= value <= exact.high for value in sums) / len(sums)
    assert inside == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("shape", [4.0, 1.0, 0.4, 0.2])
def test_bounds_by_moments_have_their_share_of_what_lies_far_to_one_side(shape: float) -> None:
    """A gamma distribution, simulated: the smaller its shape, the rarer and the larger is what there is of it."""
    random = Random(7)
    sums = sorted(random.gammavariate(shape, 1 / shape) for _ in range(40_000))
    found = interval_by_moments(Moments(1.0, 1 / shape, 2 / shape**2, 0.0, math.inf), 0.9)
    assert sum(one < found.low for one in sums) / len(sums) == pytest.approx(0.05, abs=0.005)
    assert sum(one > found.high for one in sums) / len(sums) == pytest.approx(0.05, abs=0.005)
    mirrored = interval_by_moments(Moments(-1.0, 1 / shape, -2 / shape**2, -math.inf, 0.0), 0.9)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("third", [0.0, 1e-5, 9.9e-5, 1.01e-4, 1e-3, 1e-2])
def test_bounds_by_moments_are_those_of_a_normal_distribution_where_nothing_is_lopsided(third: float) -> None:
    for sign in (1, -1):
        found = interval_by_moments(Moments(0.0, 1.0, sign * third, -9.0, 9.0), 0.95)
        assert found[:2] == pytest.approx((-1.96, 1.96), abs=0.02)


def test_nothing_open_is_certain() -> None:
    assert interval_of([])[:2] == (0, 0)
    assert interval_by_moments(Moments())[:2] == (0, 0)
    assert interval_of([Deal(0.0, 0.5)] * 20)[:2] == (0, 0)
    assert interval_of([Deal(10.0, 1.0)] * 20)[:2] == pytest.approx((200, 200))
