"""Each KPI equals its naive recomputation from the facts, through entries and through rollups alike."""

from __future__ import annotations

from datetime import date, datetime
from random import Random
from typing import Any

import pytest

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.facts import Fact
from services.metrics.domain.forms import Cost, DataQuality, PerVisitor, Return, Visitors, Worth
from services.metrics.domain.questions import Question
from services.metrics.domain.targets import TargetForm
from tests.integration.metrics.brute_force import Naive, people, quantile
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import day

NOW = datetime.fromisoformat("2026-03-20T12:00:00+00:00")
EVER = (date(2000, 1, 1), date(2100, 1, 1))
WINDOWS = (EVER, (date(2026, 1, 3), date(2026, 1, 6)), (date(2026, 1, 2), date(2026, 2, 10)))
SHARES = ("created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_customer_cohort")


async def folded(metrics: Metrics, seed: int) -> list[Fact]:
    """A random history in random batches with repeats."""
    random = Random(seed)
    facts = history(random, 25)
    told = [*facts, *random.sample(facts, 20)]
    random.shuffle(told)
    while told:
        size = random.randint(1, 60)
        await metrics.fold(told[:size])
        del told[:size]
    return facts


def near(value: Any) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


async def agree(metrics: Metrics, facts: list[Fact], as_of: datetime) -> None:
    for start, end in WINDOWS:
        window = {"start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
        naive = Naive(facts, as_of, start, end)
        for kpi, expected in naive.counts().items():
            found = await metrics.total(kpi, **window)
            assert found["value"] == near(expected), (kpi, window)
            if kpi in SHARES:
                assert found["maturity"] == near(naive.maturity(kpi)), (kpi, window)
        for kpi, seconds in naive.durations().items():
            found = await metrics.total(kpi, **window)
            assert found["n"] == len(seconds), (kpi, window)
            assert found["value"] == near(quantile(seconds, 50)), (kpi, window)
            assert found["quantiles"]["p90"] == near(quantile(seconds, 90)), (kpi, window)
            assert found["mean"] == near(sum(seconds) / len(seconds) if seconds else None), (kpi, window)
        won, lost = naive.won_values(), naive.lost_values()
        volume = await metrics.ask("sales_volume", **window, group_by="business_unit")
        sums: dict[str, float] = {}
        for group in volume["groups"]:
            parts = group.get("by_currency") or ({group["currency"]: group} if group["currency"] else {})
            for currency, part in parts.items():
                sums[currency] = sums.get(currency, 0) + part["value"]
        assert sums == {currency: near(sum(values)) for currency, values in won.items()}
        rate = await metrics.total("win_rate_value", **window)
        for currency, part in rate.get("by_currency", {}).items():
            above, below = sum(won.get(currency, [])), lost.get(currency, 0.0)
            assert part["value"] == near(above / (above + below)), (currency, window)
        average = await metrics.total("average_deal_value", **window)
        for currency, part in average.get("by_currency", {}).items():
            assert part["median"] == near(quantile(won[currency], 50))
        times, never = naive.speed_to_lead()
        speed = await metrics.total("speed_to_lead", **window)
        assert (speed["never_contacted"], speed["n"]) == (never, len(times)), window
        assert speed["value"] == near(quantile(times, 50)), window
        taken = naive.time_taken()
        activities = await metrics.ask("activities", **window, group_by="reason")
        assert {
            one["key"]["reason"]: (one["total_seconds"], one["timed"]) for one in activities["groups"] if one["timed"]
        } == {kind: (near(sum(each)), len(each)) for kind, each in taken.items()}, window
        assert activities["total"]["timed"] == sum(map(len, taken.values())), window
        assert activities["total"]["total_seconds"] == near(sum(map(sum, taken.values()))), window
        velocity = await metrics.total("sales_velocity", **window)
        parts = velocity.get("by_currency") or ({velocity["currency"]: velocity} if velocity["currency"] else {})
        assert {currency: part["value"] for currency, part in parts.items()} == {
            currency: near(value) for currency, value in naive.velocity().items()
        }, window
        by_owner = await metrics.ask("opportunities_won", **window, group_by="owner")
        assert {one["key"]["owner"]: one["value"] for one in by_owner["groups"]} == naive.won_by_owner()
        incidence = await metrics.total("lead_to_opportunity_incidence", **window)
        assert incidence["value"] == near(naive.incidence()), window


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_every_kpi_equals_its_naive_recomputation(
    metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = await folded(metrics, seed)
    assert (await metrics.audit())["differences"] == []
    await agree(metrics, facts, NOW)
    await agree(metrics, facts, day(4))
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    await agree(metrics, facts, NOW)
    await agree(metrics, facts, day(4))


def target_of(kpi: str, cut: dict[str, Any]) -> dict[str, Any]:
    """What has to be said where targets are asked about: whose, and of which days."""
    if not isinstance(BY_ID[kpi].form, TargetForm):
        return {}
    return {
        "of": "sales_volume",
        "start": "2026-01-01",
        "to": "2026-04-01",
        **{name: cut[name] for name in ("start", "to") if name in cut},
    }


def is_known_by(kpi: str, cut: dict[str, Any]) -> bool:
    """Whether a number is cut by that: what is known of spending and visitors, and why a record lacks something, is not by all."""
    names = {*cut, *cut.get("group_by", "").split(",")}
    form = BY_ID[kpi].form
    if isinstance(form, DataQuality):
        return "reason" not in names
    unknown = {"owner", "stage", "reason", "grade"} & names
    return not unknown or not isinstance(form, Cost | Return | Worth | Visitors | PerVisitor)


@pytest.mark.parametrize(
    ("seed", "as_of", "horizon_days"), [(11, NOW, 70), (12, NOW, 70), (11, day(12.4), 3), (12, day(4), 2)]
)
async def test_rollups_and_entries_answer_alike(
    metrics: Metrics, seed: int, as_of: datetime, horizon_days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await folded(metrics, seed)
    listed = (await metrics.client.get("/v1/kpis")).json()["kpis"]
    kpis = [one["id"] for one in listed if one["id"] != "forecast_accuracy"]  # which is of what was frozen
    cuts: list[dict[str, Any]] = [
        {},
        {"group_by": "channel"},
        {"group_by": "owner,month"},
        {"group_by": "week,stage"},
        {"group_by": "business_unit,reason"},
        {"channel": "phone", "group_by": "quarter"},
        {"stage": ["first", "odd"], "business_unit": "tehran"},
        {"group_by": "day,grade", "start": "2026-01-02", "to": "2026-01-20"},
        {"group_by": "day", "calendar": "jalali"},
    ]
    spent = {"channel": "phone", "first_day": "2026-01-01", "last_day": "2026-03-01", "amount": "5000"}
    await metrics.client.post("/v1/spending", json={"rows": [spent, {**spent, "business_unit": "tehran"}]})
    questions = [
        (kpi, {**cut, **target_of(kpi, cut), "as_of": as_of.isoformat(), "horizon_days": horizon_days})
        for kpi in kpis
        for cut in (cuts if as_of is NOW else cuts[1::2])
        if is_known_by(kpi, cut)
    ]
    from_rollups = [await metrics.ask(kpi, **cut) for kpi, cut in questions]
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    from_entries = [await metrics.ask(kpi, **cut) for kpi, cut in questions]
    assert from_rollups == from_entries


async def test_the_naive_computation_sees_the_variety_it_should(metrics: Metrics) -> None:
    leads = [lead for seed in (1, 2, 3, 4) for lead in people(history(Random(seed), 25), NOW)]
    assert any(len(lead.deals) > 2 for lead in leads)
    assert any(lead.archived for lead in leads)
    assert any(lead.first_win and lead.first_win < lead.touched for lead in leads)
    assert any(lead.contacted and lead.contacted < lead.created for lead in leads)
    assert any(lead.activities and not lead.contacted for lead in leads)
    assert {seconds is None for lead in leads for *_, seconds in lead.activities} == {True, False}
    assert {outcome for lead in leads for outcome, _ in lead.answers} == {"met", "breached"}
