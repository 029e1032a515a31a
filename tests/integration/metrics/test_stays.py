"""How long leads and deals stay where they are: stays that ended, stays that go on, and all stays of one together; each against
its naive recomputation."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

import pytest

from services.metrics.storage import answering
from tests.integration.metrics.brute_force import ABOUT_DEALS, Lead, Naive, quantile
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import EVER, NOW, folded, near
from tests.unit.metrics.stories import Told, day

SOLD = {*ABOUT_DEALS, "CloseDateChanged", "OrderPlaced"}
WINDOWS = (EVER, (date(2026, 1, 3), date(2026, 1, 9)))

Stay = tuple[str, datetime, datetime | None]


def stands(lead: Lead, at: datetime) -> str | None:
    """Where a lead stands at a moment, by all that is told of it up to then."""
    known = [fact for fact in lead.story if fact.occurred_at <= at]
    put_aside = False
    for fact in known:
        if fact.event == "LeadArchived":
            put_aside = True
        elif fact.event in {"LeadReopened", "LeadQualified", *SOLD}:
            put_aside = False
    if put_aside or any(fact.event in SOLD for fact in known):
        return None
    if any(fact.event == "LeadQualified" for fact in known):
        return "qualified"
    worked = any(
        fact.event in ("LeadAssigned", "LeadReopened")
        or (fact.event == "ContactAttempted" and fact.data.get("human", True))
        for fact in known
    )
    return "working" if worked else "new"


def stays_of(lead: Lead) -> list[Stay]:
    """All stays of a lead, the one that goes on without an end."""
    moments = sorted({lead.created, *(fact.occurred_at for fact in lead.story if fact.occurred_at > lead.created)})
    found: list[Stay] = []
    for at in moments:
        status = stands(lead, at)
        if found and found[-1][2] is None:
            if found[-1][0] == status:
                continue
            found[-1] = (*found[-1][:2], at)
        if status is not None:
            found.append((status, at, None))
    return found


def deal_stays(lead: Lead) -> list[list[Stay]]:
    found: list[list[Stay]] = []
    for deal in lead.deals:
        now: list[Stay] = []
        if deal.status == "open" and deal.stage and deal.since:
            now.append((deal.stage, deal.since, None))
        found.append([*deal.spells, *now])
    return found


async def agree(metrics: Metrics, kpi: str, naive: Naive, subjects: list[tuple[str, list[Stay]]]) -> None:
    ended: dict[str | None, list[float]] = defaultdict(list)
    ages: dict[str | None, list[float]] = defaultdict(list)
    totals: dict[str | None, list[float]] = defaultdict(list)
    for unit, stays in subjects:
        own: dict[str | None, list[float]] = defaultdict(list)
        for stage, since, until in stays:
            for key in (None, stage):
                if until is None:
                    ages[key].append((naive.as_of - since).total_seconds())
                elif naive.inside(unit, until):
                    own[key].append((until - since).total_seconds())
        for key, each in own.items():
            ended[key] += each
            totals[key].append(sum(each))
    window = {"start": naive.start.isoformat(), "to": naive.end.isoformat(), "as_of": naive.as_of.isoformat()}
    answer = await metrics.ask(kpi, **window, group_by="stage")
    groups = {one["key"]["stage"]: one for one in answer["groups"]}
    assert set(groups) == {*ended, *ages} - {None}
    for stage, found in ((None, answer["total"]), *groups.items()):
        parts: list[tuple[dict[str, Any], list[float]]] = [
            (found, ended[stage]), (found["open"], ages[stage]), (found["each"], totals[stage]),
        ]  # fmt: skip
        for part, seconds in parts:
            assert part["n"] == len(seconds), stage
            assert part["value"] == near(quantile(seconds, 50)), stage
            assert part["quantiles"]["p90"] == near(quantile(seconds, 90)), stage
            assert part["mean"] == near(sum(seconds) / len(seconds) if seconds else None), stage


@pytest.mark.parametrize("seed", [31, 32, 33])
async def test_stays_equal_their_naive_recomputation(metrics: Metrics, seed: int) -> None:
    facts = await folded(metrics, seed)
    assert (await metrics.audit())["differences"] == []
    for as_of in (NOW, day(4)):
        for start, end in WINDOWS:
            naive = Naive(facts, as_of, start, end)
            leads = [(lead.unit, stays_of(lead)) for lead in naive.leads]
            deals = [(lead.unit, stays) for lead in naive.leads for stays in deal_stays(lead)]
            await agree(metrics, "time_in_lead_status", naive, leads)
            await agree(metrics, "time_in_stage", naive, deals)
        open_now = [stays[-1][0] for _, stays in leads if stays and stays[-1][2] is None]
        snapshot = await metrics.ask("leads_open", as_of=as_of.isoformat(), group_by="stage")
        assert {one["key"]["stage"]: one["value"] for one in snapshot["groups"]} == {
            status: open_now.count(status) for status in set(open_now)
        }


async def test_a_lead_that_comes_back_stays_twice_and_both_add_up(metrics: Metrics) -> None:
    story = Told().tell("a", "LeadCreated", 0, channel="phone").tell("a", "LeadAssigned", 2, owner="kim")
    story.tell("a", "LeadArchived", 5, reason="timing").tell("a", "LeadReopened", 9).tell("a", "LeadQualified", 10)
    await metrics.fold(story.facts)
    found = await metrics.ask("time_in_lead_status", group_by="stage,owner", as_of=day(14).isoformat())
    by_stage = {one["key"]["stage"]: one for one in found["groups"]}
    days = 86_400
    assert (by_stage["working"]["n"], by_stage["working"]["value"]) == (2, 2 * days)
    assert (by_stage["working"]["each"]["n"], by_stage["working"]["each"]["value"]) == (1, 4 * days)
    assert by_stage["qualified"]["open"] == {
        "value": 4 * days, "n": 1, "mean": 4 * days, "quantiles": dict.fromkeys(("p50", "p75", "p90", "p95"), 4 * days)
    }  # fmt: skip
    assert by_stage["qualified"]["key"]["owner"] == "kim"
    assert by_stage["new"]["value"] == 2 * days, "until it was assigned"


async def test_of_many_stays_what_is_not_known_is_told_as_that(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as none: of two cuts at once it is known, and of stages how old those are that go on."""
    monkeypatch.setattr(answering, "MANY", 0)
    told = Told().tell("a", "LeadCreated", 0).tell("a", "LeadAssigned", 1, owner="kim")
    for name, deal, stage in (("a", "d1", "demo"), ("b", "d2", None)):
        told.tell(name, "OpportunityOpened", 2, opportunity_id=deal, stage=stage)
    await metrics.fold(told.facts)
    asked = {"as_of": day(9).isoformat()}
    by_owner = (await metrics.ask("time_in_stage", group_by="owner", **asked))["total"]
    assert (by_owner["open"], by_owner["each"], set(by_owner["untold"])) == (None, None, {"open", "each"})
    by_stage = await metrics.ask("time_in_stage", group_by="stage", **asked)
    assert (by_stage["total"]["open"]["n"], set(by_stage["total"]["untold"])) == (1, {"each"})
    statuses = (await metrics.ask("time_in_lead_status", group_by="stage", **asked))["total"]
    assert (statuses["n"] > 0, statuses["each"]) == (True, None)
    both = (await metrics.ask("time_in_lead_status", group_by="stage,owner", **asked))["total"]
    assert both["each"]["n"] > 0
    assert "untold" not in both


async def test_what_goes_on_is_of_no_period(metrics: Metrics) -> None:
    await metrics.fold(Told().tell("a", "LeadCreated", 0).tell("a", "LeadAssigned", 2, owner="kim").facts)
    found = await metrics.ask("time_in_lead_status", group_by="month")
    assert "open" not in found["total"]
    assert found["total"]["n"] == 1
