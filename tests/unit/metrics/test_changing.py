"""A change is found where there is one, and seldom where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

import pytest
from scipy import stats

from services.metrics.domain.changing import Found, Stays, controlled, of_count, of_drop_off, of_dwell
from services.metrics.domain.findings import FALSE_SHARE, Kind, Place, chosen, usual_days

TODAY = date(2026, 3, 2)
HISTORIES = 100
CHANGED = 30


def stays(random: Random, n: int, mean_days: float, watched_days: float) -> Stays:
    """So many stays that began evenly over some days until now."""
    ended: list[float] = []
    lasting: list[float] = []
    for _ in range(n):
        age, length = random.uniform(0, watched_days), random.expovariate(1 / mean_days)
        (ended if length <= age else lasting).append(min(length, age))
    return Stays(ended, lasting)


def count(random: Random, mean: float, spread: float = 1.0) -> int:
    """A count of some mean, whose variance is so many times that of chance alone."""
    if spread > 1:
        mean = random.gammavariate(mean / (spread - 1), spread - 1)
    gap, number = random.expovariate(1), 0
    while gap < mean:
        gap, number = gap + random.expovariate(1), number + 1
    return number


def place(kind: Kind, number: int) -> Place:
    window = (TODAY - timedelta(days=28), TODAY)
    return Place(kind, "kpi", "default", {"stage": str(number)}, window, window)


def history(random: Random, change: float = 1.0) -> list[tuple[Place, Found]]:
    """What is tested in one history: five stages with their losses and five counts by week, the first of each changed."""
    found: list[tuple[Place, Found | None]] = []
    for number in range(5):
        much = change if number == 0 else 1.0
        dwell = of_dwell(stays(random, 300, 6, 112), stays(random, 120, 6 * much, 28))
        lost = [sum(random.random() < share for _ in range(300)) for share in (0.15, 0.15 * much)]
        mean = 70 * (1 + number)
        weeks = [count(random, mean, 1.0 + number / 2) for _ in range(12)]
        level = of_count(weeks, count(random, mean * much, 1.0 + number / 2))
        tested = (Kind.DWELL, dwell), (Kind.DROP_OFF, of_drop_off((lost[0], 300), (lost[1], 300))), (Kind.LEVEL, level)
        found += [(place(kind, number), one) for kind, one in tested]
    return [(where, one) for where, one in found if one is not None]


def test_where_nothing_changed_there_is_seldom_anything_to_tell() -> None:
    """No oftener than is said, of histories of fifteen tests each: 0.05, and two standard deviations for so few of them."""
    wrong = sum(bool(chosen(history(Random(seed)))) for seed in range(HISTORIES))
    assert wrong / HISTORIES <= FALSE_SHARE + 2 * (FALSE_SHARE * (1 - FALSE_SHARE) / HISTORIES) ** 0.5


def test_what_became_twice_as_much_is_found_where_it_is() -> None:
    told = [chosen(history(Random(seed), change=2.0)) for seed in range(CHANGED)]
    for kind in (Kind.DWELL, Kind.DROP_OFF, Kind.LEVEL):
        changed = sum(any(one.place == place(kind, 0) for one in each) for each in told)
        assert changed / CHANGED >= 0.9, kind
    found = [one for each in told for one in each]
    assert sum(one.place.cut != {"stage": "0"} for one in found) / len(found) <= 2 * FALSE_SHARE
    assert {one.direction for one in found if one.place == place(Kind.DWELL, 0)} == {"up"}


@pytest.mark.parametrize("seed", range(5))
def test_the_log_rank_test_is_that_of_the_library(seed: int) -> None:
    random = Random(seed)
    sides = stays(random, 80, 5, 30), stays(random, 60, 8, 20)
    mine = of_dwell(*sides)
    theirs = stats.logrank(*(stats.CensoredData(uncensored=list(one.ended), right=list(one.lasting)) for one in sides))
    assert mine is not None
    assert mine.p == pytest.approx(theirs.pvalue)
    for side, value in zip(sides, (mine.before, mine.after), strict=True):
        curve = stats.ecdf(stats.CensoredData(uncensored=list(side.ended), right=list(side.lasting))).sf
        half = [age for age, share in zip(curve.quantiles, curve.probabilities, strict=True) if share <= 0.5]
        assert value == (half[0] if half else None)


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_a_count_is_called_unusual_no_oftener_than_its_p_says(spread: float) -> None:
    random = Random(7)
    ps = [
        found.p
        for _ in range(1500)
        if (found := of_count([count(random, 40, spread) for _ in range(12)], count(random, 40, spread))) is not None
    ]
    for level in (0.05, 0.01):
        assert sum(p <= level for p in ps) / len(ps) <= 1.5 * level


@pytest.mark.parametrize(
    ("references", "told"), [([100] * 12, True), ([100] * 11 + [400], True), ([30, 300] * 6, False)]
)
def test_one_odd_week_hides_nothing_and_a_wild_one_means_nothing(references: Sequence[int], told: bool) -> None:
    found = of_count(references, 200)
    assert found is not None
    assert (found.p < 0.01) == told


def test_too_little_says_nothing() -> None:
    assert of_count([5] * 7, 50) is None
    assert of_drop_off((1, 19), (9, 200)) is None
    assert of_dwell(Stays([1.0] * 19, []), Stays([2.0] * 100, [])) is None


def test_a_small_change_is_not_told_however_sure_it_is() -> None:
    sure = Found(0.20, 0.22, 10**6, 10**6, 1.1, 1e-30, False)
    assert chosen([(place(Kind.DROP_OFF, 1), sure)]) == []


def test_false_findings_are_controlled_over_all_tests() -> None:
    assert controlled([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert controlled([]) == []


def test_days_with_holidays_are_not_held_against_others() -> None:
    off = [TODAY - timedelta(days=9)]
    found = usual_days(TODAY, 7, 12, off)
    assert found is not None
    assert (len(found[0]), len(found[1])) == (7, 11)
    assert usual_days(TODAY, 1, 12, [TODAY - timedelta(days=1)]) is None


def test_a_finding_keeps_its_id_and_another_day_has_another() -> None:
    one, other = place(Kind.LEVEL, 1), place(Kind.LEVEL, 2)
    assert one.finding_id == place(Kind.LEVEL, 1).finding_id != other.finding_id
