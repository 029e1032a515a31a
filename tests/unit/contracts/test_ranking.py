"""How good a ranking was: counted by hand, lead by lead."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.ranking import Ended, auc, lift, tally

TOLD = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=40)


@given(TOLD)
def test_auc_is_the_share_of_pairs_in_the_right_order(told: list[tuple[int, bool]]) -> None:
    wins = [
        Fraction(one > other) + Fraction(one == other, 2)
        for one, followed in told
        if followed
        for other, too in told
        if not too
    ]
    expected = None if not wins else sum(wins) / len(wins)
    found = auc(tally(told))
    assert found == (None if expected is None else pytest.approx(float(expected)))


@given(TOLD, st.sampled_from([Fraction(1, 10), Fraction(1, 4), Fraction(1)]))
def test_lift_takes_those_told_the_same_in_part(told: list[tuple[int, bool]], share: Fraction) -> None:
    """Each lead as ten thousand small ones, those told the same in no order: each has their average."""
    parts = 20
    slices = []
    for number in sorted({one for one, _ in told}, reverse=True):
        same = [followed for one, followed in told if one == number]
        slices += [Fraction(sum(same), len(same))] * (len(same) * parts)
    found = lift(tally(told), float(share))
    if not any(followed for _, followed in told):
        assert found is None
        return
    wanted = len(slices) * share
    whole = int(wanted)
    best = sum(slices[:whole]) + (slices[whole] * (wanted - whole) if whole < len(slices) else 0)
    assert found == pytest.approx(float((best / wanted) / (sum(slices) / len(slices))))


def test_counts_that_were_added_up_give_the_same() -> None:
    assert tally([(3, True), (3, False), (5, True)]) == {3: Ended(2, 1), 5: Ended(1, 1)}
    assert auc({3: Ended(2, 1), 5: Ended(1, 1)}) == 0.75
    assert lift({5: Ended(1, 1), 3: Ended(9, 1)}) == pytest.approx(5.0)
