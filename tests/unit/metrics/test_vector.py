"""The test vector of the KPI definitions, through the fold."""

from __future__ import annotations

import pytest

from services.metrics.domain.answers import TOTAL, Wait, from_waits
from services.metrics.domain.contributions import contributions
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.statistics import Ages, counts, cumulative_incidence, quantile, wilson
from tests.unit.metrics.stories import Told, day, holds, lead_id, vector_leads

DAY = 86_400.0


def entries_at(as_of: float, weeks: int = 8, growth: float = 1.0, per_week: float = 1.0) -> list[Entry]:
    found: list[Entry] = []
    for name, story in vector_leads(weeks, per_week, growth):
        told = Told()
        for event, on in story:
            told.tell(name, event, on, **({"opportunity_id": name} if event == "OpportunityOpened" else {}))
        found += contributions(lead_id(name), told.facts, currency="EUR")
    return [entry for entry in found if holds(entry, as_of)]


def ages_at(as_of: float, entries: list[Entry]) -> Ages:
    of = {measure: [one for one in entries if one.measure == measure] for measure in Measure}
    decided = of[Measure.COHORT_CONVERTED] + of[Measure.ARCHIVED_BEFORE_CONVERTED]
    roots = {one.root_id for one in decided}
    return Ages(
        counts(one.duration_seconds or 0.0 for one in of[Measure.COHORT_CONVERTED]),
        counts(one.duration_seconds or 0.0 for one in of[Measure.ARCHIVED_BEFORE_CONVERTED]),
        counts((day(as_of) - one.at).total_seconds() for one in of[Measure.LEAD_CREATED] if one.root_id not in roots),
    )


def test_conversion_so_far_and_of_those_decided() -> None:
    ages = ages_at(56, entries_at(56))
    converted, archived = sum(ages.outcome.values()), sum(ages.competing.values())
    assert converted / ages.n == 0.1875
    assert converted / (converted + archived) == 0.375


def test_incidence_at_45_days_is_the_true_rate() -> None:
    curve = cumulative_incidence(ages_at(56, entries_at(56)))
    assert curve.at(45 * DAY) == pytest.approx(0.300, abs=1e-12)


def test_archived_as_censored_would_overstate() -> None:
    ages = ages_at(56, entries_at(56))
    waiting = {age: ages.waiting.get(age, 0) + ages.competing.get(age, 0) for age in {*ages.waiting, *ages.competing}}
    wrong = cumulative_incidence(Ages(ages.outcome, {}, waiting))
    assert wrong.at(45 * DAY) == pytest.approx(0.444, abs=5e-4)


def test_time_to_convert_within_45_days() -> None:
    ages = ages_at(56, entries_at(56))
    mean = sum(age * n for age, n in ages.outcome.items()) / sum(ages.outcome.values())
    question = Question(BY_ID["time_to_convert"], as_of=day(56), horizon_days=45)
    values = from_waits(question, [Wait(TOTAL, ages, 0, mean)], {TOTAL: {"maturity": None}})[TOTAL]
    assert values["value"] == 25 * DAY
    assert values["quantiles"] == {"p50": 25 * DAY, "p75": 40 * DAY, "p90": 40 * DAY, "p95": 40 * DAY}
    assert values["mean"] == pytest.approx(21 * DAY)


@pytest.mark.parametrize(("growth", "expected"), [(1.0, 0.300), (1.2, 0.181), (0.8, 0.625)])
def test_the_period_ratio_follows_inflow(growth: float, expected: float) -> None:
    start, end = day(12 * 7), day(16 * 7)
    weight = {lead_id(f"{week}-0-{number}"): growth**week for week in range(20) for number in range(10)}

    def total(measure: Measure, entries: list[Entry]) -> float:
        return sum(weight[one.root_id] for one in entries if one.measure == measure and start <= one.at < end)

    entries = entries_at(16 * 7, weeks=16)
    ratio = total(Measure.LEAD_CONVERTED, entries) / total(Measure.LEAD_CREATED, entries)
    assert ratio == pytest.approx(expected, abs=5e-4)


def test_quantiles_interpolate_between_neighbours() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 2.5
    assert quantile([1, 2, 3, 4], 0.9) == pytest.approx(3.7)
    assert quantile([], 0.5) is None


def test_a_wilson_interval_stays_inside() -> None:
    assert wilson(0, 0) is None
    low, high = wilson(3, 10) or (0.0, 0.0)
    assert low == pytest.approx(0.1078, abs=1e-4)
    assert high == pytest.approx(0.6032, abs=1e-4)
