"""Nothing is answered in more groups than anybody reads."""

from __future__ import annotations

from typing import Any

import pytest

from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.forms import Accuracy
from services.metrics.domain.targets import TargetForm
from services.metrics.storage import grouped
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

MOST = 4
SHOWN = [one.id for one in DEFINITIONS if not isinstance(one.form, TargetForm | Accuracy)]


@pytest.fixture(autouse=True)
async def told(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven customers, each by a campaign of their own, for which something was spent."""
    monkeypatch.setattr(grouped, "MOST_GROUPS", MOST)
    story, rows = Told(), []
    for number in range(7):
        name, campaign = f"l{number}", f"c{number}"
        story.tell(name, "LeadCreated", 1 + number, channel="phone", campaign=campaign, contacts=["email"])
        story.tell(name, "LeadTouched", 1.1 + number, kind="call", channel="web_form", campaign=f"{campaign} too")
        story.tell(name, "LeadGraded", 1.2 + number, score=50 + number, grade="A")
        story.tell(name, "ContactAttempted", 1.5 + number, kind="call").tell(name, "LeadQualified", 2 + number)
        for deal in ("o", "p"):
            story.tell(name, "OpportunityOpened", 3 + number, opportunity_id=f"{name}{deal}", stage="first", amount="9")
        story.tell(name, "OpportunityWon", 4 + number, opportunity_id=f"{name}o")
        story.tell(name, "OrderPlaced", 5 + number, order_id=name, amount="10", currency="EUR")
        spent = {"first_day": "2026-01-01", "last_day": "2026-02-01", "amount": "1", "currency": "EUR"}
        rows.append({**spent, "channel": "phone", "campaign": campaign})
    await metrics.fold_all(story.facts)
    assert (await metrics.client.post("/v1/spending", json={"rows": rows})).status_code == 200


async def groups(metrics: Metrics, kpi: str, **asked: Any) -> list[Any] | None:
    """The groups of an answer, None where it is refused for being too many."""
    answer = await metrics.client.get(f"/v1/kpis/{kpi}", params={"as_of": day(200).isoformat(), **asked})
    if answer.status_code == 200:
        return list(answer.json()["groups"])
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, "group_by"), answer.text
    if not problem["type"].endswith("too-many-groups"):
        return []
    assert f"{MOST} groups" in problem["detail"]
    assert "filters" in problem["fix"]
    return None


@pytest.mark.parametrize("kpi", SHOWN)
async def test_no_number_is_answered_in_more_groups_than_there_may_be(metrics: Metrics, kpi: str) -> None:
    for cuts in ("campaign", "campaign,day", "grade,campaign", "day"):
        found = await groups(metrics, kpi, group_by=cuts)
        assert found is None or len(found) <= MOST, cuts


async def test_what_is_refused_is_answered_when_it_is_asked_as_it_is_told_to(metrics: Metrics) -> None:
    assert await groups(metrics, "leads_created", group_by="campaign") is None
    assert await groups(metrics, "leads_created", group_by="campaign,owner") is None
    assert await groups(metrics, "leads_created", group_by="month") is not None
    some = ["c1", "c2", "c3", "c4"]
    assert len(await groups(metrics, "leads_created", group_by="campaign", campaign=some) or ()) == MOST
    week = {"from": "2026-01-02", "to": "2026-01-05", "group_by": "campaign"}
    assert len(await groups(metrics, "leads_created", **week) or ()) == 3
    assert await groups(metrics, "leads_created", group_by="campaign", attribution="linear") is None
    assert await groups(metrics, "leads_created") == []


async def test_few_groups_of_many_lines_each_are_refused_as_many_groups_are(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "MOST_ROWS", 3)
    asked = {"as_of": day(200).isoformat(), "group_by": "channel"}
    few = await metrics.ask("top_customers", **asked, top=3)
    assert [len(one["customers"]) for one in few["groups"]] == [3]
    refused = await metrics.client.get("/v1/kpis/top_customers", params={**asked, "top": 4})
    assert (refused.status_code, refused.json()["field"]) == (422, "group_by"), refused.text
    assert "3 lines" in refused.json()["detail"]


async def test_who_left_in_a_year_is_not_refused_for_the_days_of_it(metrics: Metrics) -> None:
    window = {"from": "2025-01-01", "to": "2027-01-01"}
    for more in ({}, window, {"business_unit": "north"}):
        assert await groups(metrics, "churn_rate", group_by="year", **more) is not None, more
    assert await groups(metrics, "churn_rate", group_by="day") is None, "some are there on more days than any came"


async def test_targets_of_some_of_many_groups_are_held_against_theirs(metrics: Metrics) -> None:
    wanted: list[tuple[str, dict[str, str], int]] = [
        ("leads_created", {"campaign": "c1"}, 1),
        ("leads_created", {"campaign": "none"}, 0),
        ("leads_qualified", {"campaign": "c3", "channel": "phone"}, 1),
        ("leads_qualified", {"campaign": "c4", "channel": "web_form"}, 0),
        *(("orders", {"campaign": f"c{number}", "channel": "phone"}, 1) for number in range(MOST + 1)),
    ]
    for kpi, cut, _ in wanted:
        aim = {"kpi": kpi, "period": "2026-01", "value": "2", "cut": cut}
        assert (await metrics.client.put("/v1/targets", json=aim)).status_code == 200
    answer = await metrics.client.get("/v1/targets/standing", params={"on": "2026-01-15"})
    assert answer.status_code == 200, answer.text
    found = [(one["kpi"], tuple(sorted(one["cut"].items())), one["actual"]) for one in answer.json()["items"]]
    assert sorted(found) == sorted((kpi, tuple(sorted(cut.items())), actual) for kpi, cut, actual in wanted)
    noticed = await metrics.client.get("/v1/findings", params={"as_of": day(20).isoformat()})
    assert noticed.status_code == 200, noticed.text
