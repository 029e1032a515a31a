"""Parts of a change add up to it, exactly; swapping before and after turns them round; what did not change has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.decomposing import (
    Group,
    Part,
    Quotient,
    of_counts,
    of_daily,
    of_factors,
    of_mixture,
    of_quotient,
    of_shares,
    of_totals,
    shapley,
)

Sides = dict[Group, Quotient]

NAMES: list[Group] = [("phone",), ("web",), ("mail",), (None,)]
names = st.sampled_from(NAMES)
shares = st.dictionaries(
    names,
    st.integers(0, 50).flatmap(lambda n: st.builds(Quotient, st.integers(0, n).map(Fraction), st.just(Fraction(n)))),
)
anything = st.dictionaries(
    names, st.builds(Quotient, st.integers(0, 50).map(Fraction), st.integers(0, 50).map(Fraction))
)
money = st.dictionaries(
    names,
    st.tuples(st.decimals(-999, 999, places=2), st.integers(1, 9)).map(
        lambda p: Quotient(Fraction(p[0]), Fraction(p[1]))
    ),
)


def rate(sides: Sides) -> Fraction | None:
    below = sum(one.below for one in sides.values())
    return sum(one.above for one in sides.values()) / below if below else None


def total(parts: list[Part]) -> Fraction:
    return sum((part.amount for part in parts), Fraction(0))


def amounts(parts: list[Part] | None, sign: int = 1) -> dict[tuple[str, Group | None], Fraction] | None:
    return None if parts is None else {(part.cause, part.group): sign * part.amount for part in parts}


Rule = Callable[[Mapping[Group, Quotient], Mapping[Group, Quotient]], list[Part] | None]
RULES: list[tuple[Rule, st.SearchStrategy[Sides], Callable[[Sides], Fraction | None]]] = [
    (of_shares, shares, rate),
    (of_quotient, anything, rate),
    (of_quotient, shares, rate),
    (of_totals, money, lambda sides: sum((one.above for one in sides.values()), Fraction(0))),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "sides", "value"), RULES)
def test_parts_add_up_exactly_and_turn_round(
    rule: Rule,
    sides: st.SearchStrategy[Sides],
    value: Callable[[Sides], Fraction | None],
) -> None:
    @given(sides, sides)
    def holds(before: Sides, after: Sides) -> None:
        parts = rule(before, after)
        was, became = value(before), value(after)
        if was is None or became is None:
            assert parts is None
            return
        assert parts is not None
        assert total(parts) == became - was
        assert amounts(rule(after, before)) == amounts(parts, -1)

    holds()


@given(shares, shares)
def test_a_group_with_the_same_share_and_rate_moved_nothing(before: Sides, after: Sides) -> None:
    parts = of_shares(before, after) or []
    below = [sum(one.below for one in side.values()) for side in (before, after)]
    for part in parts:
        assert part.group is not None
        old, new = (side.get(part.group, Quotient(Fraction(0), Fraction(0))) for side in (before, after))
        if part.cause == "mix" and old.below / below[0] == new.below / below[1]:
            assert part.amount == 0
        if part.cause == "rate" and (old.rate == new.rate or old.rate is None or new.rate is None):
            assert part.amount == 0


@given(anything, anything)
def test_a_group_that_did_not_change_has_no_part_in_a_quotient_or_a_sum(before: Sides, after: Sides) -> None:
    counted = of_counts(*({group: one.above for group, one in side.items()} for side in (before, after)))
    for part in [*(of_quotient(before, after) or []), *counted]:
        assert part.group is not None
        old, new = (side.get(part.group, Quotient(Fraction(0), Fraction(0))) for side in (before, after))
        assert part.amount == 0 or old != new


@given(shares)
def test_a_whole_that_is_the_same_has_no_parts(sides: Sides) -> None:
    assert not any(part.amount for rule in (of_shares, of_quotient) for part in rule(sides, sides) or [])


def test_more_of_a_group_that_converts_less_lowers_the_whole() -> None:
    before: Sides = {("phone",): Quotient(Fraction(40), Fraction(100)), ("web",): Quotient(Fraction(10), Fraction(100))}
    after: Sides = {("phone",): Quotient(Fraction(40), Fraction(100)), ("web",): Quotient(Fraction(30), Fraction(300))}
    found = amounts(of_shares(before, after)) or {}
    assert found[("mix", ("web",))] == Fraction(-9, 320)
    assert found[("mix", ("phone",))] == Fraction(-3, 64)
    assert found[("rate", ("web",))] == found[("rate", ("phone",))] == 0


def test_where_someone_was_not_counted_below_the_line_the_two_sides_are_parted() -> None:
    before: Sides = {("web",): Quotient(Fraction(2), Fraction(4))}
    after: Sides = {("web",): Quotient(Fraction(2), Fraction(4)), (None,): Quotient(Fraction(1), Fraction(0))}
    assert of_shares(before, after) is None
    found = amounts(of_quotient(before, after)) or {}
    assert found[("above", (None,))] == Fraction(1, 4)


@given(st.dictionaries(names, st.integers(0, 9).map(Fraction)), st.dictionaries(names, st.integers(0, 9).map(Fraction)))
def test_a_number_a_day_is_parted_into_how_many_and_how_many_days(
    before: dict[Group, Fraction], after: dict[Group, Fraction]
) -> None:
    days = Fraction(28), Fraction(31)
    parts = of_daily(before, after, days) or []
    assert total(parts) == sum(after.values(), Fraction(0)) / days[1] - sum(before.values(), Fraction(0)) / days[0]
    assert amounts(of_daily(after, before, (days[1], days[0]))) == amounts(parts, -1)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=4, max_size=4))
def test_factors_share_out_all_that_a_product_moved(pairs: list[tuple[int, int]]) -> None:
    before, after = ({f"f{place}": Fraction(pair[side]) for place, pair in enumerate(pairs)} for side in (0, 1))

    def value(of: object) -> Fraction:
        a, b, c, d = of.values()  # type: ignore[attr-defined]
        return Fraction(a * b * c / d)

    parts = of_factors(before, after, value)
    assert total(parts) == value(after) - value(before)
    assert amounts(of_factors(after, before, value)) == amounts(parts, -1)
    assert all(part.amount == 0 for part in parts if before[part.cause] == after[part.cause])


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_a_mixture_is_parted_into_its_mix_and_what_is_within(values: list[float]) -> None:
    def value(mix: bool, within: bool) -> float:
        return values[2 * mix + within]

    def turned(mix: bool, within: bool) -> float:
        return value(not mix, not within)

    parts = of_mixture(value) or []
    assert total(parts) == Fraction(repr(values[3])) - Fraction(repr(values[0]))
    assert amounts(of_mixture(turned)) == amounts(parts, -1)


def test_shapley_is_the_mean_over_every_order() -> None:
    worth = {frozenset(): 0, frozenset("a"): 2, frozenset("b"): 4, frozenset("ab"): 10}
    assert shapley("ab", lambda some: Fraction(worth[frozenset(some)])) == {"a": Fraction(4), "b": Fraction(6)}
