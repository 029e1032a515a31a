"""How sure a curve is of whose cohort some still wait."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.answers import Wait, from_waits
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.questions import Question
from services.metrics.domain.statistics import Ages, wilson
from tests.unit.metrics.stories import day

DAY = 86_400.0
HORIZON = 45
AGES = st.dictionaries(st.integers(0, 90).map(lambda days: days * DAY), st.integers(1, 3), max_size=3)


def incidence(ages: Ages) -> dict[str, Any]:
    question = Question(BY_ID["lead_to_opportunity_incidence"], as_of=day(56), horizon_days=HORIZON)
    old = sum(n for age, n in ages.waiting.items() if age >= HORIZON * DAY)
    decided = sum(ages.outcome.values()) + sum(ages.competing.values())
    maturity = (old + decided) / ages.n if ages.n else None
    return from_waits(question, [Wait(None, ages, 0, None)], {None: {"maturity": maturity}})[None]


@given(st.builds(Ages, AGES, AGES, AGES))
def test_the_interval_holds_its_own_value(ages: Ages) -> None:
    found = incidence(ages)
    if found["value"] is None:
        assert found["interval"] is None
    else:
        assert 0 <= found["interval"]["low"] <= found["value"] + 1e-9
        assert found["value"] - 1e-9 <= found["interval"]["high"] <= 1


@given(AGES, AGES, st.integers(1, 9))
def test_of_a_cohort_that_is_all_decided_it_is_that_of_the_share(
    outcome: dict[float, int], competing: dict[float, int], old: int
) -> None:
    found = incidence(ages := Ages(outcome, competing, {60 * DAY: old}))
    bounds = wilson(sum(n for age, n in outcome.items() if age <= HORIZON * DAY), ages.n)
    assert (found["interval"]["low"], found["interval"]["high"]) == pytest.approx(bounds)


def test_those_who_came_yesterday_make_nothing_surer() -> None:
    found = incidence(Ages({10 * DAY: 3}, {20 * DAY: 2}, {1 * DAY: 20}))
    assert (found["value"], found["n"]) == (pytest.approx(0.6), 25)
    assert (found["interval"]["low"], found["interval"]["high"]) == pytest.approx(wilson(3, 5))


def test_of_whom_nothing_is_decided_anything_may_be() -> None:
    found = incidence(Ages({}, {}, {1 * DAY: 20}))
    assert (found["value"], found["interval"]["low"], found["interval"]["high"]) == (0, 0, 1)


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    """Cohorts of 25 leads that came over 60 days, of whom three in ten convert, each at an age of its own."""
    random, held, of = Random(7), 0, 1_000
    for _ in range(of):
        told: dict[str, Counter[float]] = {name: Counter() for name in ("outcome", "competing", "waiting")}
        for _ in range(25):
            age, ends = random.uniform(0, 60) * DAY, random.uniform(0, 40) * DAY
            what = random.choices(("outcome", "competing", "waiting"), (0.3, 0.4, 0.3))[0]
            seen = what != "waiting" and ends <= age
            told[what if seen else "waiting"][ends if seen else age] += 1
        interval = incidence(Ages(**told))["interval"]
        held += interval["low"] <= 0.3 <= interval["high"]
    assert 0.93 <= held / of <= 0.98
