"""Parts of a forecast, of a target and of a ranking: they add up, turn round, and a mixture of one thing with itself is that thing."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain import mixing
from services.metrics.domain.aiming import of_target
from services.metrics.domain.answers import Values
from services.metrics.domain.decomposing import Expected, Group, Quotient, of_expected
from services.metrics.domain.forms import Attainment, Coverage, Pace
from services.metrics.domain.statistics import Ages
from shared.contracts.ranking import Ended, auc

NAMES: list[Group] = [("phone",), ("web",), (None,)]
open_deals = st.tuples(st.integers(1, 900), st.integers(0, 100)).map(
    lambda one: Quotient(Fraction(one[0] * one[1], 100), Fraction(one[0]))
)
forecasts = st.dictionaries(st.sampled_from(NAMES), st.builds(Expected, open_deals, st.integers(0, 500).map(Fraction)))
ended = st.integers(1, 20).flatmap(lambda n: st.builds(Ended, st.just(n), st.integers(0, n)))
tallies = st.dictionaries(
    st.sampled_from(NAMES), st.dictionaries(st.integers(0, 9).map(float), ended, min_size=1), min_size=1
)
numbers = st.integers(1, 1_000).map(float)


def worth(side: dict[Group, Expected]) -> Fraction:
    return sum((one.open.above + one.won for one in side.values()), Fraction(0))


@given(forecasts, forecasts)
def test_a_forecast_moved_by_what_is_open_its_chances_and_what_was_won(
    before: dict[Group, Expected], after: dict[Group, Expected]
) -> None:
    parts, turned = of_expected(before, after), of_expected(after, before)
    assert sum(part.amount for part in parts) == worth(after) - worth(before)
    assert {(part.cause, part.group): part.amount for part in parts} == {
        (part.cause, part.group): -part.amount for part in turned
    }


@given(tallies)
def test_a_ranking_mixed_with_itself_is_itself(side: dict[Group, dict[float, Ended]]) -> None:
    together: dict[float, Ended] = {}
    for own in side.values():
        for number, one in own.items():
            known = together.get(number, Ended(0, 0))
            together[number] = Ended(known.leads + one.leads, known.followed + one.followed)
    assert auc(mixing.told(side, side)) == auc(together)


@given(tallies, tallies)
def test_a_mixture_has_as_many_of_each_group_as_the_mix(
    mix: dict[Group, dict[float, Ended]], within: dict[Group, dict[float, Ended]]
) -> None:
    of_one = {(): mixing.told(mix, within)}
    n = sum(one.leads for one in of_one[()].values())
    wanted = sum(one.leads for own in mix.values() for one in own.values())
    assert n % wanted == 0


def many_groups(shift: int) -> dict[Group, tuple[int, int]]:
    """500 groups, no two sizes of which have a divisor in common, and of how many something followed."""
    primes = [n for n in range(53, 5_000) if all(n % d for d in range(2, isqrt(n) + 1))][shift : shift + 500]
    return {(str(place),): (n, n * (1 + (place + shift) % 7) // 9) for place, n in enumerate(primes)}


def test_mixtures_of_many_groups_of_sizes_without_a_common_divisor_are_numbers() -> None:
    old, new = many_groups(0), many_groups(61)
    wanted = sum(
        old[group][0] * Fraction(followed, n) for group, (n, followed) in new.items()
    ) / sum(n for n, _ in old.values())  # fmt: skip
    sides = [
        {group: Ages({3_600.0: followed}, {}, {7_200.0: n - followed}) for group, (n, followed) in side.items()}
        for side in (old, new)
    ]
    assert mixing.incidence(mixing.ages(*sides), 86_400.0) == pytest.approx(float(wanted), rel=1e-12)
    ranked = [
        {group: {1.0: Ended(n - followed, 0), 2.0: Ended(followed, followed)} for group, (n, followed) in side.items()}
        for side in (old, new)
    ]
    assert auc(mixing.told(*ranked)) == 1.0
    together = mixing.told(*ranked)
    assert together[2.0].leads / (together[1.0].leads + together[2.0].leads) == pytest.approx(float(wanted), rel=1e-12)


def target(actual: float, wanted: float, elapsed: float, baseline: float | None, kpi: str) -> Values:
    accumulates = kpi == "leads_created"
    expected = wanted * elapsed if accumulates else (baseline or 0.0) + (wanted - (baseline or 0.0)) * elapsed
    return {
        "value": actual / expected, "numerator": actual, "denominator": expected,
        "target": {"kpi": kpi, "value": wanted, "elapsed_share": elapsed, "baseline": baseline},
    }  # fmt: skip


shares = st.integers(1, 100).map(lambda one: one / 100)


@given(st.tuples(numbers, numbers, shares), st.tuples(numbers, numbers, shares), st.sampled_from(("leads_created", "win_rate_count")), numbers)  # fmt: skip
def test_a_pace_moved_by_everything_that_it_is_made_of(
    old: tuple[float, float, float], new: tuple[float, float, float], kpi: str, baseline: float
) -> None:
    before, after = (target(*side, None if kpi == "leads_created" else baseline, kpi) for side in (old, new))
    change, turned = of_target(Pace(), before, after), of_target(Pace(), after, before)
    assert sum(part.amount for part in change.parts) == change.amount
    assert {part.cause: part.amount for part in change.parts} == {part.cause: -part.amount for part in turned.parts}
    assert {part.cause for part in change.parts} >= {"actual", "target", "elapsed"}


@given(numbers, numbers, numbers, numbers)
def test_an_attainment_moved_by_the_number_and_its_target(a: float, b: float, c: float, d: float) -> None:
    sides = [
        {"value": above / below, "numerator": above, "denominator": below, "target": {"value": below}}
        for above, below in ((a, b), (c, d))
    ]
    change = of_target(Attainment(), *sides)
    assert sum(part.amount for part in change.parts) == change.amount
    assert [part.cause for part in change.parts] == ["actual", "target"]


@given(numbers, numbers, numbers, numbers, numbers, numbers)
def test_a_cover_moved_by_what_is_open_what_is_wanted_and_what_was_won(
    a: float, b: float, c: float, d: float, e: float, f: float
) -> None:
    sides = [
        {"value": above / lacks, "numerator": above, "denominator": lacks, "currency": "EUR", "target": {"value": lacks + won}}
        for above, lacks, won in ((a, b, c), (d, e, f))
    ]  # fmt: skip
    change = of_target(Coverage(), *sides)
    assert sum(part.amount for part in change.parts) == change.amount
    assert change.currency == "EUR"
    won = next(part for part in change.parts if part.cause == "won")
    assert (won.before, won.after) == (Fraction(c), Fraction(f))


def test_without_a_target_on_one_side_there_is_no_change_and_it_is_said() -> None:
    nobody: Values = {"value": None, "numerator": 0, "denominator": None, "target": None}
    change = of_target(
        Attainment(), nobody, {**nobody, "value": 1.0, "numerator": 2, "denominator": 2, "target": {"value": 2}}
    )
    assert (change.parts, change.amount) == ((), None)
    assert "no target" in (change.note or "")
