"""What is put down to touches: by each rule against its naive recomputation, and shares of one thing that are exactly one."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest

from tests.integration.metrics.brute_force import CURRENCY, Lead, Naive
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import EVER, NOW, folded, near
from tests.unit.metrics.stories import Told, day

RULES = ("first", "last", "linear", "position", "time_decay")
WINDOWS = (EVER, (date(2026, 1, 3), date(2026, 1, 26)))
HALF_LIFE_DAYS = 5


def shares(lead: Lead, at: datetime, rule: str) -> dict[str | None, float]:
    """How much of something that happened then each channel has."""
    touches = [
        (fact.occurred_at, fact.data["channel"])
        for fact in lead.story
        if fact.event in ("LeadCreated", "LeadTouched") and fact.data.get("channel") and fact.occurred_at <= at
    ]
    if rule == "first" or not touches:
        return {lead.channel: 1.0}
    n = len(touches)
    weights = {
        "last": [0.0] * (n - 1) + [1.0],
        "linear": [1.0] * n,
        "position": [1.0] if n == 1 else [0.5, 0.5] if n == 2 else [0.4, *[0.2 / (n - 2)] * (n - 2), 0.4],
        "time_decay": [0.5 ** ((at - touched).total_seconds() / 86_400 / HALF_LIFE_DAYS) for touched, _ in touches],
    }[rule]
    found: dict[str | None, float] = defaultdict(float)
    for (_, channel), weight in zip(touches, weights, strict=True):
        found[channel] += weight / sum(weights)
    return {channel: share for channel, share in found.items() if share > 1e-9}


def by_channel(counted: list[tuple[Lead, datetime, float]], rule: str) -> dict[str | None, float]:
    found: dict[str | None, float] = defaultdict(float)
    for lead, at, amount in counted:
        for channel, share in shares(lead, at, rule).items():
            found[channel] += share * amount
    return found


@pytest.mark.parametrize("seed", [41, 42])
async def test_each_rule_equals_its_naive_recomputation(metrics: Metrics, seed: int) -> None:
    facts = await folded(metrics, seed)
    assert (await metrics.audit())["differences"] == []
    for as_of in (NOW, day(9)):
        for start, end in WINDOWS:
            naive = Naive(facts, as_of, start, end)
            created = [(one, one.created, 1.0) for one in naive.leads_with(lambda lead: lead.created)]
            won = [(lead, deal.closed, 1.0) for lead, deal in naive.deals_with(lambda deal: deal.closed, "won")]
            paid = [
                (lead, deal.closed, deal.close_amount)
                for lead, deal in naive.deals_with(lambda deal: deal.closed, "won")
                if deal.close_amount is not None and (deal.close_currency or CURRENCY[lead.unit]) == "EUR"
            ]
            window = {"start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
            for rule in RULES:
                asked = {**window, "group_by": "channel", "attribution": rule, "half_life_days": HALF_LIFE_DAYS}
                for kpi, counted in (("leads_created", created), ("opportunities_won", won)):
                    answer = await metrics.ask(kpi, **asked)
                    assert answer["attribution"] == rule
                    found = {one["key"]["channel"]: one["value"] for one in answer["groups"]}
                    wanted = by_channel(counted, rule)  # type: ignore[arg-type]
                    assert found == {channel: pytest.approx(value, abs=1e-6) for channel, value in wanted.items()}
                    whole = sum(Fraction(str(value)) for value in found.values())
                    assert round(whole * 10**9) == len(counted) * 10**9, "shares add up to the whole, to the billionth"
                    assert answer["total"]["value"] == len(counted)
                volume = await metrics.ask("sales_volume", **asked)
                money = {
                    one["key"]["channel"]: (one.get("by_currency") or {one["currency"]: one})
                    .get("EUR", {})
                    .get("value")
                    for one in volume["groups"]
                }
                for channel, value in by_channel(paid, rule).items():  # type: ignore[arg-type]
                    assert money[channel] == pytest.approx(value, abs=1e-4), (rule, channel)


async def test_sums_and_filters_say_the_same_of_each_channel(metrics: Metrics) -> None:
    await folded(metrics, 43)
    for rule in RULES[1:]:
        asked = {"as_of": NOW.isoformat(), "attribution": rule}
        for kpi in ("leads_created", "lead_to_opportunity_period", "sales_volume", "leads_qualified"):
            by_group = await metrics.ask(kpi, **asked, group_by="channel,business_unit")
            for group in by_group["groups"]:
                only = {"channel": group["key"]["channel"] or "", "business_unit": group["key"]["business_unit"]}
                assert (await metrics.total(kpi, **asked, **only))["numerator"] == near(group["numerator"])
        behind = await metrics.leads("leads_created", **asked, group_by="channel,owner", limit=9)
        sums: dict[Any, float] = defaultdict(float)
        for one in behind:
            sums[tuple(one["key"].values())] += one["n"]
        groups = (await metrics.ask("leads_created", **asked, group_by="channel,owner"))["groups"]
        assert {tuple(one["key"].values()): near(one["value"]) for one in groups} == sums


def wanderer() -> Told:
    """Somebody who came by an advertisement, read letters twice, and bought after a call."""
    story = Told().tell("a", "LeadCreated", 0, channel="web_form", source="ads", campaign="spring")
    story.tell("a", "LeadTouched", 7, kind="email_click", channel="email", source="letters")
    story.tell("a", "LeadTouched", 14, kind="email_click", channel="email", source="letters")
    story.tell("a", "LeadTouched", 21, kind="call", channel="phone")
    story.tell("a", "OpportunityOpened", 21, opportunity_id="o", amount="1000", currency="EUR")
    return story.tell("a", "OpportunityWon", 28, opportunity_id="o").tell(
        "a", "LeadTouched", 30, kind="call", channel="chat"
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", {"web_form": 1000}),
        ("last", {"phone": 1000}),
        ("linear", {"web_form": 250, "email": 500, "phone": 250}),
        ("position", {"web_form": 400, "email": 200, "phone": 400}),
        ("time_decay", {"web_form": 1000 / 15, "email": 6000 / 15, "phone": 8000 / 15}),
    ],
)
async def test_a_sale_is_put_down_to_the_touches_before_it(
    metrics: Metrics, rule: str, expected: dict[str, float]
) -> None:
    await metrics.fold(wanderer().facts)
    answer = await metrics.ask("sales_volume", group_by="channel", attribution=rule)
    assert {one["key"]["channel"]: one["value"] for one in answer["groups"]} == {
        channel: pytest.approx(value, abs=1e-5) for channel, value in expected.items()
    }
    assert answer["total"]["value"] == 1000


async def test_what_was_spent_is_held_against_what_is_put_down_to_it(metrics: Metrics) -> None:
    await metrics.fold(wanderer().facts)
    spent = {"first_day": "2026-01-01", "last_day": "2026-01-31", "kind": "advertising"}
    rows = [{**spent, "channel": "web_form", "amount": "100"}, {**spent, "channel": "email", "amount": "50"}]
    await metrics.client.post("/v1/spending", json={"rows": rows})
    answer = await metrics.ask(
        "source_romi", group_by="channel", attribution="position", start="2026-01-01", to="2026-02-01"
    )
    assert answer["attribution"] == "position"
    found = {one["key"]["channel"]: one["value"] for one in answer["groups"]}
    assert (found["web_form"], found["email"]) == (near(3.0), near(3.0))
    cost = await metrics.ask(
        "cost_per_customer", group_by="channel", attribution="linear", start="2026-01-01", to="2026-02-01"
    )
    assert {one["key"]["channel"]: one["value"] for one in cost["groups"]} == {
        "web_form": near(400.0), "email": near(100.0), "phone": None
    }  # fmt: skip


async def test_what_is_paid_back_is_put_down_to_the_touches_of_its_purchase(metrics: Metrics) -> None:
    told = (
        Told()
        .tell("a", "LeadCreated", 1, channel="phone")
        .tell("a", "OrderPlaced", 5, order_id="o", amount="100", currency="EUR")
    )
    told.tell("a", "LeadTouched", 10, kind="captured", channel="web_form")
    await metrics.fold_all(told.tell("a", "OrderRefunded", 20, order_id="o", amount="100", currency="EUR").facts)
    month = {"first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "50", "currency": "EUR"}
    spent = [{**month, "channel": channel} for channel in ("phone", "web_form")]
    assert (await metrics.client.post("/v1/spending", json={"rows": spent})).status_code == 200
    for rule in RULES:
        asked = {"group_by": "channel", "attribution": rule, "start": "2026-01-01", "to": "2026-02-01"}
        answer = await metrics.ask("source_romi", **asked)
        assert {one["key"]["channel"]: one["value"] for one in answer["groups"]} == {"phone": -1, "web_form": -1}, rule
        refunds = await metrics.ask("order_refunds", **asked)
        assert {one["key"]["channel"]: one["value"] for one in refunds["groups"]} == {"phone": 100}, rule
        behind = await metrics.leads("order_refunds", **asked)
        assert [one["key"] for one in behind] == [{"channel": "phone"}], rule


async def test_touches_of_ids_that_turn_out_to_be_one_person_are_one_way(metrics: Metrics) -> None:
    story = Told().tell("a", "LeadCreated", 0, channel="phone").tell("b", "LeadCreated", 5, channel="email")
    story.tell("b", "OpportunityOpened", 6, opportunity_id="o").tell(
        "b", "LeadMerged", 7, into_lead_id=str(story.facts[0].lead_id), matched_on="email"
    )
    await metrics.fold(story.facts)
    answer = await metrics.ask("opportunities_opened", group_by="channel", attribution="linear")
    assert {one["key"]["channel"]: one["value"] for one in answer["groups"]} == {"phone": 0.5, "email": 0.5}


@pytest.mark.parametrize(
    ("kpi", "asked", "field"),
    [
        ("leads_created", {"attribution": "shapley"}, "attribution"),
        ("lead_to_opportunity_cohort", {"attribution": "last"}, "attribution"),
        ("opportunities_open", {"attribution": "last"}, "attribution"),
        ("leads_created", {"attribution": "time_decay", "half_life_days": "0"}, "half_life_days"),
        ("leads_created", {"attribution": "time_decay", "half_life_days": "soon"}, "half_life_days"),
    ],
)
async def test_what_cannot_be_shared_out_is_refused(
    metrics: Metrics, kpi: str, asked: dict[str, str], field: str
) -> None:
    refused = await metrics.client.get(f"/v1/kpis/{kpi}", params={"group_by": "channel", **asked})
    assert (refused.status_code, refused.json()["field"]) == (422, field)
