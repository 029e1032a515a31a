"""Of every number there is: its change has parts that add up to it exactly, or it is said by name why it has none; and what is said
to have been known is what an answer said then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.facts import Fact
from services.metrics.domain.forms import Definition, MoneyTotal, Weighted
from services.metrics.domain.targets import TargetForm
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import POLICY
from tests.unit.metrics import customer_histories, histories
from tests.unit.metrics.stories import Told, day

FIRST, LAST = day(30), day(150)
WINDOW = {"from": "2026-01-01", "to": "2026-02-10"}
WINDOWS = {"before_from": "2026-01-01", "before_to": "2026-01-08", "from": "2026-01-08", "to": "2026-02-20"}
HISTORIES: dict[str, Callable[[Random, int], list[Fact]]] = {
    "leads": histories.history,
    "customers": customer_histories.history,
}
CUTS = ("", "channel")
NOT_BY_KNOWLEDGE = {
    "visitors", "visitor_to_lead", "data_quality", "score_quality", "forecast_accuracy", "pipeline_coverage", "target_attainment", "pace",
    "top_customers", "churn_rate",
}  # fmt: skip
NO_GROUPS = {
    "lead_to_opportunity_incidence", "lead_to_customer_incidence", "time_to_convert", "sales_velocity", "clv_projected", "clv_projected_revenue", "ltv_to_cac", "payback",
}  # fmt: skip
TARGETS = {"pipeline_coverage", "target_attainment", "pace"}


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=LAST, policy=POLICY)
    rows = [{"kind": kind, "first_day": "2026-01-01", "last_day": "2026-03-01", "amount": "5000"} for kind in ("advertising", "salaries")]  # fmt: skip
    said = await found.client.post("/v1/spending", json={"rows": rows})
    assert said.status_code == 200, said.text
    yield found
    await found.close()


async def asked(metrics: Metrics, definition: Definition, **parameters: Any) -> dict[str, Any] | None:
    """Why it moved; None where it is said by name and with what to do instead that it is not parted."""
    given = {name: value for name, value in parameters.items() if value}
    response = await metrics.client.get(f"/v1/kpis/{definition.id}/why", params=given)
    found: dict[str, Any] = response.json()
    if response.status_code == 422:
        assert found["type"].endswith("not-parted"), found
        assert len(found["detail"]) > 30, found
        assert found["fix"], found
        return None
    assert response.status_code == 200, response.text
    return found


def check(definition: Definition, found: dict[str, Any]) -> int:
    """Every change has parts that add up to it, or a sentence that says why not; how many have parts."""
    parted = 0
    assert found["changes"], definition.id
    for change in found["changes"]:
        if change["parts"]:
            parts = [Fraction(part["exact"]) for part in change["parts"]]
            assert sum(parts, Fraction(0)) == Fraction(change["exact"]), (definition.id, change)
            parted += 1
        else:
            assert change["note"] or not change["change"], (definition.id, change)
    return parted


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("kind", HISTORIES)
async def test_between_two_windows_parts_add_up_or_it_is_said_why_there_are_none(metrics: Metrics, kind: str) -> None:
    await metrics.fold_all(HISTORIES[kind](Random(5), 25))
    for first, after, value in (("2026-01-01", "2026-01-08", "20000"), ("2026-01-08", "2026-02-20", "90000")):
        said = {"kpi": "sales_volume", "from": first, "to": after, "value": value, "currency": "EUR"}
        assert (await metrics.client.put("/v1/targets", json=said)).status_code == 200
    refused: dict[str, set[str]] = {cut: set() for cut in CUTS}
    parted: set[str] = set()
    for definition in DEFINITIONS:
        for cut in CUTS:
            windows = {"from": WINDOWS["from"], "to": WINDOWS["to"]} if definition.basis == "snapshot" else WINDOWS
            found = await asked(metrics, definition, **windows, group_by=cut, horizon_days=30)
            if found is None:
                refused[cut].add(definition.id)
            elif check(definition, found):
                parted.add(definition.id)
    assert refused == {"": set(), "channel": {"forecast_accuracy", *TARGETS}}
    assert len(parted) > 25


def learned_late(facts: list[Fact], random: Random) -> list[Fact]:
    return [
        fact._replace(recorded_at=fact.occurred_at + timedelta(days=random.choice((0, 0, 1, 10, 40)))) for fact in facts
    ]


def told(definition: Definition, total: dict[str, Any], change: dict[str, Any]) -> Any:
    """What an answer says in a change's currency; where nothing is, a sum is nothing and all else is no number."""
    own: dict[str, Any] | None = total
    if change["currency"] is not None and total["currency"] != change["currency"]:
        own = total.get("by_currency", {}).get(change["currency"])
    if own is None:
        return 0 if isinstance(definition.form, MoneyTotal | Weighted) else None
    return own["mean" if change["of"] == "mean" else "value"]


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("kind", HISTORIES)
async def test_what_was_known_is_what_was_said_then_and_what_was_learned_since_adds_up_in_every_group(
    metrics: Metrics, kind: str
) -> None:
    random = Random(7)
    facts = learned_late(HISTORIES[kind](random, 25), random)
    await metrics.fold_all([fact for fact in facts if fact.recorded_at <= FIRST])
    windows = {one.id: {} if one.basis == "snapshot" else WINDOW for one in DEFINITIONS}
    plain = [one for one in DEFINITIONS if one.id not in NOT_BY_KNOWLEDGE]
    then = {one.id: await metrics.total(one.id, **windows[one.id], as_of=FIRST.isoformat()) for one in plain}
    await metrics.fold_all([fact for fact in facts if fact.recorded_at > FIRST])
    parted: set[str] = set()
    for definition in DEFINITIONS:
        known = [FIRST.isoformat(), LAST.isoformat()]
        found = await asked(metrics, definition, **windows[definition.id], known=known)
        assert (found is None) == (definition.id in NOT_BY_KNOWLEDGE), definition.id
        grouped = await asked(metrics, definition, **windows[definition.id], known=known, group_by="channel")
        assert (grouped is None) == (found is None or definition.id in NO_GROUPS), definition.id
        if found is None:
            continue
        now = await metrics.total(definition.id, **windows[definition.id], as_of=LAST.isoformat())
        for change in found["changes"]:
            assert change["before"] == approx(told(definition, then[definition.id], change)), (definition.id, change)
            assert change["after"] == approx(told(definition, now, change)), (definition.id, change)
        parted |= {definition.id} if check(definition, found) else set()
        if grouped is None:
            continue
        check(definition, grouped)
        for whole, cut in zip(found["changes"], grouped["changes"], strict=True):
            assert (cut["before"], cut["after"]) == (approx(whole["before"]), approx(whole["after"])), definition.id
            assert by_cause(cut) == by_cause(whole), definition.id
            if cut["parts"]:
                assert cut["note"] or any(part["key"] for part in cut["parts"]), (definition.id, cut)
    assert len(parted) > 20, parted
    if kind == "leads":
        assert {"lead_to_opportunity_incidence", "time_to_convert", "weighted_forecast"} <= parted
    else:
        assert {"clv_observed", "clv_projected", "csat", "renewal_rate", "cost_per_customer"} <= parted


def approx(value: float | None) -> Any:
    return None if value is None else pytest.approx(value)


def by_cause(change: dict[str, Any]) -> dict[str, Any]:
    """What came of each cause, all groups together."""
    found: dict[str, float] = {}
    for part in change["parts"]:
        found[part["cause"]] = found.get(part["cause"], 0.0) + part["amount"]
    return {cause: pytest.approx(amount, abs=1e-6) for cause, amount in found.items() if abs(amount) > 1e-9}


async def test_a_forecast_moved_by_what_is_open_by_its_chance_and_by_what_was_won(metrics: Metrics) -> None:
    story = Told()
    for name, stage, amount, close in (
        ("a", "third", "1000", 60),
        ("b", "first", "2000", 60),
        ("c", "second", "500", 95),
    ):
        story.tell(
            name, "OpportunityOpened", 2, opportunity_id=name, stage=stage, amount=amount, currency="EUR",
            expected_close=day(close).isoformat(),
        )  # fmt: skip
    await metrics.fold_all(story.facts)
    windows = {"before_from": "2026-02-15", "before_to": "2026-03-15", "from": "2026-03-15", "to": "2026-05-01"}
    found = await metrics.client.get("/v1/kpis/weighted_forecast/why", params={**windows, "as_of": day(20).isoformat()})
    (change,) = found.json()["changes"]
    assert (change["before"], change["after"]) == (1000.0, 200.0)
    mean = (Fraction(1000, 3000) + Fraction(2, 5)) / 2
    assert {part["cause"]: Fraction(part["exact"]) for part in change["parts"]} == {
        "open": -2500 * mean,
        "chance": (Fraction(2, 5) - Fraction(1, 3)) * 1750,
    }


async def test_what_people_learned_of_deals_moved_the_forecast_by_each_thing_they_learned(metrics: Metrics) -> None:
    story = Told()
    story.tell("a", "OpportunityOpened", 2, opportunity_id="a", stage="first", amount="1000", currency="EUR", expected_close=day(60).isoformat())  # fmt: skip
    story.tell("a", "StageChanged", 40, opportunity_id="a", stage="third")
    story.tell("b", "OpportunityOpened", 3, opportunity_id="b", stage="second", amount="100", currency="EUR", expected_close=day(61).isoformat())  # fmt: skip
    late = [fact._replace(recorded_at=day(45)) if fact.occurred_at == day(3) else fact for fact in story.facts]
    await metrics.fold_all(late)
    window = {"from": "2026-02-15", "to": "2026-05-01", "known": [day(30).isoformat(), day(50).isoformat()]}
    found = await metrics.client.get("/v1/kpis/weighted_forecast/why", params={**window, "group_by": "stage"})
    (change,) = found.json()["changes"]
    assert (change["before"], change["after"]) == (150.0, 740.0)
    assert {(part["cause"], part["key"]["stage"]): part["amount"] for part in change["parts"]} == {
        ("since", "first"): -150.0, ("since", "third"): 700.0, ("late", "second"): 40.0,
    }  # fmt: skip


async def test_a_pace_moved_by_the_number_its_target_and_the_days_that_passed(metrics: Metrics) -> None:
    story = Told()
    for name in "abcdef":
        story.tell(name, "LeadCreated", 2 if name < "c" else 33)
    await metrics.fold_all(story.facts)
    for period, value in (("2026-01", "4"), ("2026-02", "16")):
        said = {"kpi": "leads_created", "period": period, "value": value}
        assert (await metrics.client.put("/v1/targets", json=said)).status_code == 200
    asked_for = {
        "of": "leads_created",
        "period": "2026-02",
        "before_period": "2026-01",
        "as_of": "2026-02-15T00:00:00Z",
    }
    found = await metrics.client.get("/v1/kpis/pace/why", params=asked_for)
    (change,) = found.json()["changes"]
    assert (change["before"], change["after"]) == (0.5, 0.5)
    assert {part["cause"] for part in change["parts"]} == {"actual", "target", "elapsed"}
    assert sum(Fraction(part["exact"]) for part in change["parts"]) == 0


def test_every_target_form_is_a_target_here() -> None:
    assert {one.id for one in DEFINITIONS if isinstance(one.form, TargetForm)} == TARGETS
