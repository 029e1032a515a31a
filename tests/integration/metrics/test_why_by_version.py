"""What moved the share of qualified leads, by the version of the policy that qualified them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from services.metrics.storage import versions
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_why import adds_up, the_parts, why
from tests.unit.metrics.stories import Told, day, lead_id

WINDOWS = {"from": "2026-02-01", "to": "2026-03-01", "compare": "previous", "as_of": day(90).isoformat()}


async def told(metrics: Metrics) -> None:
    """Of ten in January version 1 qualified four; of ten in February it did two, version 2 five, and a person one."""
    story = Told()
    versions: dict[int, list[str | None]] = {1: ["1"] * 4, 32: ["1"] * 2 + ["2"] * 5 + [None]}
    for born, qualified in versions.items():
        for number in range(10):
            name = f"{born}-{number}"
            story.tell(name, "LeadCreated", born)
            if number < len(qualified):
                version = qualified[number]
                more = {} if version is None else {"automatic": True, "policy_version": version}
                story.tell(name, "LeadQualified", born + 10, **more)
                story.tell(name, "LeadQualified", born + 20, automatic=True, policy_version="9")
    story.tell("1-9", "LeadMerged", 70, into_lead_id=str(story.facts[0].lead_id), matched_on="email")
    await metrics.fold_all(story.facts)


@pytest.mark.parametrize(
    ("kpi", "parts"),
    [
        ("leads_qualified", {("volume", ("1",)): -2, ("volume", ("2",)): 5, ("volume", (None,)): 1}),
        (
            "created_to_qualified_cohort",
            {
                ("above", ("1",)): Fraction(-2) * (Fraction(1, 9) + Fraction(1, 10)) / 2,
                ("above", ("2",)): Fraction(5) * (Fraction(1, 9) + Fraction(1, 10)) / 2,
                ("above", (None,)): (Fraction(1, 9) + Fraction(1, 10)) / 2,
                ("below", None): -Fraction(4 + 8) / 2 / 90,
            },
        ),
    ],
)
async def test_each_version_brought_what_it_qualified_and_the_rest_is_below_the_line(
    metrics: Metrics, kpi: str, parts: dict[Any, Any]
) -> None:
    await told(metrics)
    found = await why(metrics, kpi, **WINDOWS, group_by="policy_version")
    (change,) = found["changes"]
    assert adds_up(change)
    assert the_parts(change) == parts
    plain = await why(metrics, kpi, **WINDOWS)
    assert [(one["before"], one["after"]) for one in plain["changes"]] == [(change["before"], change["after"])]
    assert found["group_by"] == ["policy_version"]


async def test_a_younger_cohort_by_version_has_its_age(metrics: Metrics) -> None:
    await told(metrics)
    found = await why(
        metrics, "created_to_qualified_cohort", **{**WINDOWS, "as_of": day(32.5).isoformat()}, group_by="policy_version"
    )
    (change,) = found["changes"]
    assert adds_up(change)
    assert change["before"] == pytest.approx(4 / 9)
    assert change["after"] == 0.0
    assert the_parts(change)[("age", None)] == Fraction(-4, 9)


async def test_of_more_than_are_looked_up_only_the_two_numbers_are_told(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(metrics)
    monkeypatch.setattr(versions, "MOST_QUALIFIED", 7)
    for kpi in ("leads_qualified", "created_to_qualified_cohort"):
        plain = await why(metrics, kpi, **WINDOWS)
        found = await why(metrics, kpi, **WINDOWS, group_by="policy_version")
        (change,) = found["changes"]
        assert (change["before"], change["after"]) == (plain["changes"][0]["before"], plain["changes"][0]["after"])
        assert change["parts"] == []
        assert "ask about shorter windows" in change["note"]


async def told_of_deals(metrics: Metrics) -> None:
    """Of four deals in January, of leads that version 1 qualified, one was won; of February's, one of two of version 1, two of three
    of version 2, none of two of leads that nobody had qualified yet, or a person had."""
    story = Told()
    names: dict[int, list[str | None]] = {5: ["1"] * 4, 40: [*["1"] * 2, *["2"] * 3, None, "late"]}
    won = {"5-0", "40-0", "40-2", "40-3"}
    for born, versions_of in names.items():
        for number, version in enumerate(versions_of):
            name = f"{born}-{number}"
            story.tell(name, "LeadCreated", born)
            if version != "late":
                more = {} if version is None else {"automatic": True, "policy_version": version}
                story.tell(name, "LeadQualified", born + 1, **more)
            story.tell(name, "OpportunityOpened", born + 2, opportunity_id=name)
            story.tell(name, "LeadQualified", born + 3, automatic=True, policy_version="9")
            if name in won:
                story.tell(name, "OpportunityWon", born + 4, opportunity_id=name)
    story.tell("spam", "LeadCreated", 40, mark="spam").tell("spam", "LeadQualified", 41, policy_version="8")
    story.tell("spam", "LeadMerged", 50, into_lead_id=str(lead_id("40-2")), matched_on="email")
    await metrics.fold_all(story.facts)


async def test_deals_are_won_by_the_version_that_let_their_leads_through(metrics: Metrics) -> None:
    await told_of_deals(metrics)
    asked = {"start": "2026-02-01", "to": "2026-03-01", "as_of": day(90).isoformat(), "group_by": "policy_version"}
    found = await metrics.ask("opportunity_to_won_cohort", **asked)
    groups = {one["key"]["policy_version"]: (one["numerator"], one["denominator"]) for one in found["groups"]}
    assert groups == {"1": (1, 2), "2": (2, 3), None: (0, 2)}
    plain = await metrics.ask("opportunity_to_won_cohort", **{**asked, "group_by": ""})
    assert found["total"] == plain["total"]
    assert all("maturity" in one and one["interval"] for one in found["groups"])


async def test_what_moved_the_share_won_is_parted_into_mix_and_rate_of_versions(metrics: Metrics) -> None:
    await told_of_deals(metrics)
    found = await why(metrics, "opportunity_to_won_cohort", **WINDOWS, group_by="policy_version")
    (change,) = found["changes"]
    assert adds_up(change)
    assert (change["before"], change["after"]) == (0.25, pytest.approx(3 / 7))
    assert ("rate", ("1",)) in the_parts(change)


async def test_of_more_deals_than_are_looked_up_none_is(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    await told_of_deals(metrics)
    monkeypatch.setattr(versions, "MOST_QUALIFIED", 11)
    found = await metrics.ask("opportunity_to_won_cohort", group_by="policy_version")
    assert found["total"]["denominator"] == 11, "a deal is one, whatever became of it"
    monkeypatch.setattr(versions, "MOST_QUALIFIED", 10)
    refused = await metrics.client.get("/v1/kpis/opportunity_to_won_cohort", params={"group_by": "policy_version"})
    assert (refused.status_code, refused.json()["field"]) == (422, "group_by"), refused.text
    assert "shorter window" in refused.json()["fix"]


@pytest.mark.parametrize(
    ("path", "cuts"),
    [
        ("leads_created", "policy_version"),
        ("opportunity_to_won_cohort", "policy_version,channel"),
        ("opportunity_to_won_cohort/leads", "policy_version"),
        ("target_attainment?of=opportunity_to_won_cohort&from=2026-01-01&to=2026-04-01", "policy_version"),
    ],
)
async def test_nothing_else_is_answered_by_version(metrics: Metrics, path: str, cuts: str) -> None:
    link = "&" if "?" in path else "?"
    refused = await metrics.client.get(f"/v1/kpis/{path}{link}group_by={cuts}")
    assert (refused.status_code, refused.json()["field"]) == (422, "group_by"), refused.text


@pytest.mark.parametrize(
    ("kpi", "more"),
    [
        ("opportunity_to_won_cohort", {"known": day(30).isoformat()}),
        ("leads_created", {}),
        ("leads_qualified", {"known": day(30).isoformat()}),
        ("leads_qualified", {"group_by": ["policy_version", "channel"]}),
    ],
)
async def test_what_is_not_known_by_version_is_refused_by_name(
    metrics: Metrics, kpi: str, more: dict[str, Any]
) -> None:
    asked = {**WINDOWS, "group_by": "policy_version", **more}
    response = await metrics.client.get(f"/v1/kpis/{kpi}/why", params=asked)
    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (422, "not-parted"), response.text
