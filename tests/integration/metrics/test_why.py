"""What moved a number: parts that add up to the change, between two windows and between what was known at two moments."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from threading import Thread, current_thread
from typing import Any

import pytest

from services.metrics import learning
from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.explaining import Change
from services.metrics.domain.facts import Fact
from services.metrics.domain.forms import Accuracy, Weighted
from services.metrics.domain.learning import learned_changes
from services.metrics.domain.targets import TargetForm
from tests.integration.metrics.brute_force import Naive
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import EVER, NOW
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day

JANUARY = {"before_from": "2026-01-01", "before_to": "2026-01-08", "from": "2026-01-08", "to": "2026-02-20"}
OF_SPENDING = ("cost_per_lead", "cost_per_customer", "cac", "source_romi", "source_roi", "ltv_to_cac", "payback")
OF_VISITORS = ("visitors", "visitor_to_lead")


async def why(metrics: Metrics, kpi: str, **parameters: Any) -> dict[str, Any]:
    response = await metrics.client.get(f"/v1/kpis/{kpi}/why", params=parameters)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def the_parts(change: dict[str, Any]) -> dict[tuple[str, Any], Fraction]:
    return {
        (part["cause"], None if part["key"] is None else tuple(part["key"].values())): Fraction(part["exact"])
        for part in change["parts"]
    }


def adds_up(change: dict[str, Any]) -> bool:
    return sum(the_parts(change).values(), Fraction(0)) == Fraction(change["exact"])


def learned_late(facts: list[Fact], random: Random) -> list[Fact]:
    """Many of them some time after they happened."""
    return [
        fact._replace(recorded_at=fact.occurred_at + timedelta(days=random.choice((0, 0, 1, 10, 40)))) for fact in facts
    ]


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_kpi_is_parted_between_two_windows_and_turns_round(metrics: Metrics) -> None:
    await metrics.fold_all(history(Random(5), 30))
    spent = {"channel": "phone", "first_day": "2026-01-01", "last_day": "2026-03-01", "amount": "5000"}
    await metrics.client.post("/v1/spending", json={"rows": [spent]})
    turned = dict(
        zip(JANUARY, (JANUARY["from"], JANUARY["to"], JANUARY["before_from"], JANUARY["before_to"]), strict=True)
    )
    parted = 0
    for kpi in [
        one.id
        for one in DEFINITIONS
        if one.basis != "snapshot" and not isinstance(one.form, TargetForm | Weighted | Accuracy)
    ]:
        for cut in ("", "channel", *(() if kpi in (*OF_SPENDING, *OF_VISITORS) else ("grade,stage",))):
            asked = {"group_by": cut, "as_of": NOW.isoformat(), "horizon_days": 30}
            there, back = [await why(metrics, kpi, **window, **asked) for window in (JANUARY, turned)]
            for one, other in zip(there["changes"], back["changes"], strict=True):
                if not one["parts"]:
                    assert one["note"] or not one["change"], (kpi, cut, one)
                    continue
                parted += 1
                assert adds_up(one), (kpi, cut)
                assert the_parts(other) == {key: -part for key, part in the_parts(one).items()}, (kpi, cut)
                value = (await metrics.total(kpi, start=JANUARY["from"], to=JANUARY["to"], **asked)).get(
                    "mean" if one["of"] == "mean" else "value"
                )
                assert one["currency"] or one["after"] == pytest.approx(value), (kpi, cut)
    assert parted > 60


async def test_a_channel_that_grew_and_converts_less_is_what_lowered_the_share(metrics: Metrics) -> None:
    told = Told()
    for number in range(40):
        told.tell(f"b{number}", "LeadCreated", 1, channel="phone" if number < 20 else "web_form")
        if number < 10 or number in (20, 21):
            told.tell(f"b{number}", "LeadQualified", 2)
    for number in range(80):
        told.tell(f"a{number}", "LeadCreated", 32, channel="phone" if number < 20 else "web_form")
        if number < 10 or number in range(20, 26):
            told.tell(f"a{number}", "LeadQualified", 33)
    await metrics.fold_all(told.facts)
    found = await why(
        metrics, "created_to_qualified_cohort", **{"from": "2026-02-01", "to": "2026-03-01"}, compare="previous",
        group_by="channel", as_of=day(90).isoformat(),
    )  # fmt: skip
    (change,) = found["changes"]
    assert (change["before"], change["after"]) == (0.3, 0.2)
    assert the_parts(change) == {("mix", ("phone",)): Fraction(-1, 16), ("mix", ("web_form",)): Fraction(-3, 80)}
    assert found["before"]["total"]["n"] == 40


async def test_a_younger_cohort_is_compared_with_what_the_older_one_was_at_its_age(metrics: Metrics) -> None:
    told = Told()
    for number, born in enumerate((1, 32)):
        for one in range(10):
            told.tell(f"{number}-{one}", "LeadCreated", born)
            if one < 6:
                told.tell(f"{number}-{one}", "LeadQualified", born + (2 if one < 2 else 50))
    await metrics.fold_all(told.facts)
    found = await why(
        metrics, "created_to_qualified_cohort", **{"from": "2026-02-01", "to": "2026-03-01"}, compare="previous",
        as_of=day(61).isoformat(),
    )  # fmt: skip
    assert the_parts(found["changes"][0]) == {("age", None): Fraction(-2, 5)}


async def test_a_state_is_parted_between_two_moments(metrics: Metrics) -> None:
    told = Told()
    told.tell("a", "OpportunityOpened", 1, opportunity_id="1", stage="first")
    told.tell("a", "StageChanged", 4, opportunity_id="1", stage="second")
    told.tell("b", "OpportunityOpened", 4, opportunity_id="2", stage="second")
    await metrics.fold_all(told.facts)
    found = await why(metrics, "opportunities_open", **{"from": "2026-01-03", "to": "2026-01-10"}, group_by="stage")
    assert the_parts(found["changes"][0]) == {
        ("volume", ("first",)): Fraction(-1),
        ("volume", ("second",)): Fraction(2),
    }


async def test_a_state_and_what_was_known_on_a_day_are_of_when_it_begins_where_the_unit_is(metrics: Metrics) -> None:
    told = Told("tehran").tell("a", "LeadCreated", 1)
    told.tell("a", "OpportunityOpened", 30, opportunity_id="1")
    told.tell("a", "OpportunityOpened", 30 + 21 / 24, opportunity_id="2")  # 1 February in Tehran
    told.tell("a", "OpportunityOpened", 58 + 20 / 24, opportunity_id="3")
    told.tell("a", "OpportunityOpened", 58 + 21 / 24, opportunity_id="4")  # 1 March there
    told.tell("b", "LeadCreated", 50)
    late = told.facts[-1]
    await metrics.fold_all([*told.facts[:-1], late._replace(recorded_at=day(58 + 21 / 24))])
    asked = {"before_period": "2026-02", "period": "2026-03", "business_unit": "tehran"}
    for named in (asked, {"from": "2026-02-01", "to": "2026-03-01", "business_unit": "tehran"}):
        found = await why(metrics, "opportunities_open", **named)
        assert [(one["before"], one["after"]) for one in found["changes"]] == [(1, 3)]
    known = {"period": "2026-02", "known": ["2026-03-01", "2026-03-02"], "business_unit": "tehran"}
    (change,) = (await why(metrics, "leads_created", **known))["changes"]
    assert (change["before"], change["after"]) == (0, 1)
    at = {**known, "known": ["2026-03-01T00:00:00+00:00", "2026-03-02"]}
    (change,) = (await why(metrics, "leads_created", **at))["changes"]
    assert (change["before"], change["after"]) == (1, 1)


async def test_a_state_of_a_day_still_to_come_is_that_of_now_and_of_a_moment_to_come_is_refused(
    metrics: Metrics,
) -> None:
    goes_on = {"from": "2026-12-01", "to": "2027-05-01"}
    found = await why(metrics, "opportunities_open", **goes_on)
    assert datetime.fromisoformat(found["after"]["as_of"]) == metrics.clock.now()
    refused = await metrics.client.get(
        "/v1/kpis/opportunities_open/why", params={**goes_on, "to": "2027-05-01T00:00:00Z"}
    )
    assert (refused.status_code, refused.json()["field"]) == (422, "as_of")


BY_KNOWLEDGE = (
    "leads_created", "leads_marked", "leads_qualified", "leads_archived", "qualification_rate_decided",
    "created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_opportunity_period", "lead_to_customer_cohort",
    "opportunities_opened", "opportunities_won", "opportunities_lost", "win_rate_count", "stage_conversion",
    "stage_drop_off", "opportunities_open", "activities", "sla_attainment", "opportunity_to_won_cohort",
)  # fmt: skip


@pytest.mark.parametrize("seed", [3, 4])
async def test_what_was_known_then_and_each_kind_of_thing_learned_since_add_up_to_what_is_known_now(
    metrics: Metrics, seed: int
) -> None:
    random = Random(seed)
    facts = learned_late(history(random, 40), random)
    await metrics.fold_all(facts)
    first, last = day(6.5), day(25)
    kinds: set[str] = set()
    for start, end in (EVER, (day(2).date(), day(6).date())):
        window = {"from": start.isoformat(), "to": end.isoformat()}
        then, now = (
            Naive([fact for fact in facts if fact.recorded_at <= known], known, start, end).counts()
            for known in (first, last)
        )
        for kpi in BY_KNOWLEDGE:
            found = await why(metrics, kpi, **window, known=[first.isoformat(), last.isoformat()])
            (change,) = found["changes"]
            assert change["before"] == (None if then[kpi] is None else pytest.approx(then[kpi])), kpi
            assert change["after"] == (None if now[kpi] is None else pytest.approx(now[kpi])), kpi
            if change["change"] is not None:
                assert adds_up(change), kpi
            kinds |= {part["cause"] for part in change["parts"]}
    assert kinds >= {"since", "late", "merges"}
    assert len(kinds) >= 4


async def test_a_win_told_late_a_merge_and_a_new_policy_each_have_their_part(metrics: Metrics) -> None:
    told = Told()
    for name in "abcd":
        told.tell(name, "LeadCreated", 1)
    told.tell("a", "LeadQualified", 2, automatic=True, policy_version="1")
    told.tell("b", "LeadQualified", 3)
    told.tell("c", "LeadMerged", 4, into_lead_id=str(told.facts[0].lead_id), matched_on="email")
    told.tell("d", "LeadQualified", 12, automatic=True, policy_version="2")
    facts = [
        fact._replace(recorded_at=day(12)) if fact.event == "LeadMerged" or (fact.occurred_at == day(3)) else fact
        for fact in told.facts
    ]
    await metrics.fold_all(facts)
    metrics.clock.now = lambda: day(20)  # type: ignore[method-assign]
    window = {"from": "2026-01-01", "to": "2026-02-01", "known": day(10).isoformat()}
    (change,) = (await why(metrics, "created_to_qualified_cohort", **window))["changes"]
    assert (change["before"], change["after"]) == (0.25, 1.0)
    parts = the_parts(change)
    assert parts[("late", None)] == parts[("policy", None)] == Fraction(5, 18) + Fraction(1, 72)
    assert parts[("merges", None)] == Fraction(3, 4) - 2 * parts[("late", None)]
    (change,) = (await why(metrics, "leads_qualified", **window, reported=3))["changes"]
    assert the_parts(change) == {
        ("definition", None): Fraction(-2), ("late", None): Fraction(1), ("policy", None): Fraction(1),
    }  # fmt: skip


async def test_what_was_learned_is_parted_beside_the_loop_and_of_no_more_groups_than_that_takes_seconds(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks keeps nobody else waiting."""
    told = Told()
    for name, channel in zip("abc", ("phone", "web_form", "phone"), strict=True):
        told.tell(name, "LeadCreated", 1, channel=channel)
    await metrics.fold_all(told.facts)
    asked = {"from": "2026-01-01", "to": "2026-02-01", "known": day(0).isoformat(), "group_by": "channel"}
    threads: list[Thread] = []

    def parted(*given: Any) -> list[Change]:
        threads.append(current_thread())
        return learned_changes(*given)

    monkeypatch.setattr(learning, "learned_changes", parted)
    monkeypatch.setattr(learning, "MOST_GROUPS", 2)
    (change,) = (await why(metrics, "leads_created", **asked))["changes"]
    assert set(the_parts(change).values()) == {Fraction(1), Fraction(2)}
    assert threads
    assert current_thread() not in threads
    monkeypatch.setattr(learning, "MOST_GROUPS", 1)
    response = await metrics.client.get("/v1/kpis/leads_created/why", params=asked)
    assert (response.status_code, response.json()["field"]) == (422, "group_by")
    assert response.json()["type"].endswith("not-parted")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "compare"),
        ({"compare": "previous"}, "compare"),
        ({"group_by": "month", "compare": "previous", "from": "2026-01-01", "to": "2026-02-01"}, "group_by"),
        ({"known": ["2026-02-01", "2026-01-01"]}, "known"),
        ({"known": "2026-02-01", "reported": "some"}, "reported"),
    ],
)
async def test_what_cannot_be_compared_is_refused(metrics: Metrics, parameters: dict[str, Any], field: str) -> None:
    response = await metrics.client.get("/v1/kpis/leads_created/why", params=parameters)
    assert (response.status_code, response.json()["field"]) == (422, field)
