"""Targets: said, moved and taken back on record, and held against what there is, each alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.calendar import Calendar
from shared.contracts.policy.selling import Customers
from tests.integration.metrics.brute_force import Naive
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day

QUARTER = {"start": "2026-01-01", "to": "2026-04-01"}
HALF_OVER = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=45)
VOLUME = {"kpi": "sales_volume", "period": "2026-Q1", "currency": "EUR"}


async def put(metrics: Metrics, by: str = "kim", **target: Any) -> dict[str, Any]:
    answer = await metrics.client.put("/v1/targets", params={"by": by}, json=target)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(metrics: Metrics, **target: Any) -> dict[str, Any]:
    answer = await metrics.client.put("/v1/targets", json=target)
    assert answer.status_code == 422, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sold(metrics: Metrics) -> None:
    """300 by kim and 100 by ali in January, one deal lost."""
    told = Told()
    for lead, owner, amount, on in (("a", "kim", "200", 10), ("b", "kim", "100", 20), ("c", "ali", "100", 25)):
        told.tell(lead, "LeadCreated", 1).tell(lead, "LeadAssigned", 2, owner=owner, team="north")
        told.tell(lead, "OpportunityWon", on, opportunity_id=lead, amount=amount, currency="EUR")
    told.tell("d", "LeadCreated", 1).tell("d", "OpportunityLost", 22, opportunity_id="d", reason="price", amount="50")
    await metrics.fold(told.facts)


async def test_a_target_is_reached_by_a_share_and_its_pace_is_by_the_days_that_have_passed(metrics: Metrics) -> None:
    await sold(metrics)
    await put(metrics, **VOLUME, value="1000")
    asked = {**QUARTER, "of": "sales_volume", "as_of": HALF_OVER.isoformat()}
    reached = await metrics.total("target_attainment", **asked)
    assert (reached["value"], reached["numerator"], reached["denominator"]) == (0.4, 400, 1000)
    assert reached["on_target"] is False
    pace = await metrics.total("pace", **asked)
    assert (pace["value"], pace["denominator"]) == (pytest.approx(0.8), pytest.approx(500)), "45 of 90 days have passed"
    over = await metrics.total("pace", **{**asked, "as_of": day(300).isoformat()})
    assert over["value"] == 0.4
    ahead = await metrics.total("pace", **{**asked, "as_of": day(0).isoformat()})
    assert ahead["value"] is None, "nothing is expected at the first moment"


async def test_targets_of_owners_are_not_added_up_to_the_teams(metrics: Metrics) -> None:
    await sold(metrics)
    await put(metrics, **VOLUME, value="400", cut={"owner": "kim"})
    await put(metrics, **VOLUME, value="50", cut={"owner": "ali"})
    asked = {**QUARTER, "of": "sales_volume"}
    answer = await metrics.ask("target_attainment", **asked, group_by="owner")
    assert {one["key"]["owner"]: one["value"] for one in answer["groups"]} == {"kim": 0.75, "ali": 2.0}
    assert (answer["total"]["value"], answer["total"]["target"]) == (None, None)
    await put(metrics, **VOLUME, value="1000", cut={"team": "north"})
    assert (await metrics.total("target_attainment", **asked, team="north"))["value"] == 0.4
    assert (await metrics.total("target_attainment", **asked))["value"] is None, "nor is the team's everybody's"
    assert (await metrics.total("target_attainment", **asked, owner="kim"))["value"] == 0.75


async def test_a_target_of_one_of_several_is_not_that_of_all_of_them(metrics: Metrics) -> None:
    told = Told()
    for name, channel in (("a", "phone"), ("b", "web_form"), ("c", "web_form")):
        told.tell(name, "LeadCreated", 1, channel=channel).tell(name, "LeadAssigned", 1, owner="kim")
    await metrics.fold(told.facts)
    for channel in ("phone", "web_form"):
        await put(metrics, kpi="leads_created", period="2026-Q1", value="10", cut={"owner": "kim", "channel": channel})
    asked = {**QUARTER, "of": "leads_created", "channel": ["phone", "web_form"]}
    for kpi in ("target_attainment", "pace"):
        assert (await metrics.ask(kpi, **asked, group_by="owner"))["groups"] == []
    apart = (await metrics.ask("target_attainment", **asked, group_by="owner,channel"))["groups"]
    assert {one["key"]["channel"]: one["value"] for one in apart} == {"phone": 0.1, "web_form": 0.2}
    (one,) = (await metrics.ask("target_attainment", **{**asked, "channel": "phone"}, group_by="owner"))["groups"]
    assert one["value"] == 0.1


async def test_behind_a_target_is_what_is_held_against_it(metrics: Metrics) -> None:
    await sold(metrics)
    asked = {**QUARTER, "of": "sales_volume", "owner": "kim"}
    assert await metrics.leads("pace", **asked) == [], "without a target nothing is held against it"
    await put(metrics, **VOLUME, value="400", cut={"owner": "kim"})
    assert sorted(one["numerator"] for one in await metrics.leads("pace", **asked)) == [100, 200]


async def test_five_points_more_and_twenty_percent_more_are_the_same_from_a_quarter(metrics: Metrics) -> None:
    await sold(metrics)
    rate = {"kpi": "win_rate_count", "period": "2026-Q1", "baseline": "fixed", "baseline_value": "0.25"}
    asked = {**QUARTER, "of": "win_rate_count", "as_of": HALF_OVER.isoformat()}
    for said in ({"value": "0.05", "reading": "points"}, {"value": "0.2", "reading": "relative"}, {"value": "0.3"}):
        await put(metrics, **rate, **said)
        assert (await metrics.total("target_attainment", **asked))["denominator"] == pytest.approx(0.3)
        pace = await metrics.total("pace", **asked)
        assert pace["denominator"] == pytest.approx(0.275), "half of the way from 0.25"
        assert pace["value"] == pytest.approx(0.75 / 0.275)
    await put(metrics, kpi="win_rate_count", period="2026-Q1", value="0.3")
    no_line = await metrics.total("pace", **asked)
    assert (no_line["value"], no_line["actual"]) == (None, 0.75), "a rate without a baseline has no line to be on"


async def test_the_pace_of_what_lies_below_nothing_is_not_turned_round(metrics: Metrics) -> None:
    await metrics.fold(Told().tell("a", "OrderPlaced", 5, order_id="o", amount="110", currency="EUR").facts)
    spent = {"first_day": "2026-01-01", "last_day": "2026-01-01", "amount": "200", "currency": "EUR"}
    assert (await metrics.client.post("/v1/spending", json={"rows": [spent]})).status_code == 200
    line = {"baseline": "fixed", "baseline_value": "-0.5"}
    await put(metrics, kpi="source_romi", period="2026-Q1", value="0.2", **line)
    asked = {**QUARTER, "of": "source_romi", "as_of": HALF_OVER.isoformat()}
    pace = await metrics.total("pace", **asked)
    assert (pace["actual"], pace["denominator"]) == (pytest.approx(-0.45), pytest.approx(-0.15))
    assert (pace["value"], pace["on_target"]) == (None, False)
    found = await metrics.client.get("/v1/findings", params={"as_of": HALF_OVER.isoformat(), "kind": "pace"})
    assert [(one["kpi"], one["direction"], one["effect"]) for one in found.json()["findings"]] == [
        ("source_romi", "down", None)
    ]


async def test_a_baseline_may_be_the_period_before_or_a_year_ago(metrics: Metrics) -> None:
    await sold(metrics)
    second = {"kpi": "opportunities_won", "period": "2026-02", "value": "0.5", "reading": "relative"}
    await put(metrics, **second, baseline="previous_period")
    february = {"start": "2026-02-01", "to": "2026-03-01", "of": "opportunities_won"}
    found = await metrics.total("target_attainment", **february)
    assert (found["denominator"], found["target"]["baseline"], found["value"]) == (4.5, 3, 0)
    await put(metrics, **second, baseline="last_year")
    found = await metrics.total("target_attainment", **february)
    assert (found["denominator"], found["target"]["baseline"], found["value"]) == (0, 0, None)


async def test_less_is_better_of_times(metrics: Metrics) -> None:
    await sold(metrics)
    await put(metrics, kpi="sales_cycle_from_lead", period="2026-Q1", value=str(20 * 86_400))
    found = await metrics.total("target_attainment", **QUARTER, of="sales_cycle_from_lead")
    assert (found["value"], found["on_target"]) == (pytest.approx(19 / 20), True)


async def test_a_target_that_moves_after_the_fact_is_seen(metrics: Metrics) -> None:
    await sold(metrics)
    first = await put(metrics, **VOLUME, value="1000", note="agreed")
    assert (await put(metrics, **VOLUME, value="1000", note="agreed"))["changes"] == 0, "the same again is no change"
    moved = await put(metrics, by="lee", **VOLUME, value="400")
    assert (moved["target_id"], moved["changes"], moved["set_by"]) == (first["target_id"], 1, "lee")
    assert [(one["value"], one["set_by"], one["note"]) for one in moved["history"]] == [
        ("1000", "kim", "agreed"),
        ("400", "lee", None),
    ]
    total = await metrics.total("target_attainment", **QUARTER, of="sales_volume")
    assert total["value"] == 1.0
    assert total["target"]["moved"] | {"first_set_at": None} == {
        "times": 1, "since_start": 1, "first_value": 1000.0, "first_set_at": None,
    }  # fmt: skip


async def test_a_word_beside_a_target_does_not_move_it(metrics: Metrics) -> None:
    for note in ("agreed", "agreed in December", None):
        kept = await put(metrics, **VOLUME, value="1000", note=note)
    assert (kept["changes"], kept["changes_since_start"], len(kept["history"])) == (0, 0, 3)
    assert (await metrics.total("target_attainment", **QUARTER, of="sales_volume"))["target"]["moved"] is None
    moved = await put(metrics, **VOLUME, value="1000", direction="at_most")
    assert (moved["changes"], moved["changes_since_start"]) == (1, 1)


async def test_a_target_that_is_taken_back_is_none_and_its_history_stays(metrics: Metrics) -> None:
    found = await put(metrics, **VOLUME, value="1000")
    where = f"/v1/targets/{found['target_id']}"
    assert (await metrics.client.delete(where, params={"by": "lee"})).status_code == 204
    assert (await metrics.client.delete(where)).status_code == 404
    assert (await metrics.client.get("/v1/targets")).json()["items"] == []
    gone = (await metrics.client.get(where)).json()
    assert (gone["withdrawn"], [one["withdrawn"] for one in gone["history"]]) == (True, [False, True])
    again = await put(metrics, **VOLUME, value="1000")
    assert (again["changes"], len(again["history"])) == (0, 3), "as it was"
    assert (await metrics.client.delete(where)).status_code == 204
    assert (await put(metrics, **VOLUME, value="900"))["changes"] == 1, "as something else"
    assert (await metrics.client.get(f"/v1/targets/{metrics_id()}")).status_code == 404


def metrics_id() -> str:
    return "00000000-0000-0000-0000-000000000000"


async def test_targets_come_as_a_file_all_or_none_and_the_line_that_is_wrong_is_named(metrics: Metrics) -> None:
    good = "kpi,period,owner,value,reading,baseline\nsales_volume,2026-Q1,kim,1000,,\nwin_rate_count,2026-Q1,,0.05,points,last_year\n"

    async def send(content: str | bytes) -> Any:
        return await metrics.client.post("/v1/targets/import", content=content, headers={"Content-Type": "text/csv"})

    assert (await send(good)).json() == {"rows": 2, "changed": 2}
    assert (await send("\ufeff" + good)).json() == {"rows": 2, "changed": 0}
    items = (await metrics.client.get("/v1/targets", params={"kpi": "sales_volume"})).json()["items"]
    assert [(one["cut"], one["value"], one["set_by"]) for one in items] == [({"owner": "kim"}, "1000", "import")]
    for bad, words in (
        ("kpi,period,value\nsales_volume,2026-Q1,5\nsales_volume,2026-Q7,1\n", "Line 3"),
        ("kpi,period,value\nsales_volume,2026-Q1,many\n", "Line 2"),
        ("kpi,period,price\n", "'price'"),
        ("kpi,period,value\n", "0 rows"),
        ("kpi,period,value\nsales_volume,2026-Q1,1,1\n", "more cells"),
        (b"kpi,period,value\n\xff\n", "UTF-8"),
    ):
        answer = await send(bad)
        assert answer.status_code == 422, bad
        assert words in answer.json()["detail"], answer.text
    assert len((await metrics.client.get("/v1/targets")).json()["items"]) == 2


async def test_a_target_by_what_its_number_is_not_known_by_is_held_against_nothing(metrics: Metrics) -> None:
    await sold(metrics)
    kept = await put(metrics, kpi="visitors", period="2026-Q1", value="100", cut={"channel": "phone"})
    async with metrics.database.transaction() as tx:  # as a version before took it
        await tx.execute("""UPDATE metrics.targets SET cut = CAST('{"owner": "kim"}' AS jsonb)""")
    standing = (await metrics.client.get("/v1/targets/standing", params={"on": "2026-03-01"})).json()["items"]
    found = (await metrics.client.get("/v1/findings", params={"as_of": day(59).isoformat()})).json()["findings"]
    assert (standing, [one for one in found if one["kind"] == "pace"]) == ([], [])
    assert (await metrics.client.delete(f"/v1/targets/{kept['target_id']}")).status_code == 204


async def test_targets_are_asked_about_with_their_days(metrics: Metrics) -> None:
    for kpi, wrong in (
        ("pace", {**QUARTER, "of": "pace"}),
        ("pace", {"of": "sales_volume", "from": "2026-01-01T00:00:00Z", "to": "2026-04-01"}),
        ("pace", {"of": "sales_volume", "group_by": "month,quarter"}),
        ("sales_volume", {"of": "sales_volume"}),
    ):
        assert (await metrics.client.get(f"/v1/kpis/{kpi}", params=wrong)).status_code == 422, (kpi, wrong)


async def test_each_month_has_its_target_and_is_compared(metrics: Metrics) -> None:
    told, there = Told(), Told("tehran")
    for number in range(40):
        told.tell(f"a{number}", "LeadCreated", 2 * number)
        there.tell(f"b{number}", "LeadCreated", 2 * number)
    await metrics.fold_all([*told.facts, *there.facts])
    for unit, value in (("default", "20"), ("tehran", "10")):
        for month in ("2026-01", "2026-02"):
            await put(metrics, kpi="leads_created", business_unit=unit, period=month, value=value)
    answer = await metrics.ask("target_attainment", of="leads_created", group_by="business_unit,month")
    assert {(one["key"]["business_unit"], one["key"]["month"]): one["value"] for one in answer["groups"]} == {
        ("default", "2026-01"): 0.8,
        ("default", "2026-02"): 0.7,
        ("tehran", "2026-01"): 1.6,
        ("tehran", "2026-02"): 1.4,
    }
    february = {"start": "2026-02-01", "to": "2026-03-01", "of": "leads_created", "business_unit": "tehran"}
    answer = await metrics.ask("target_attainment", **february, compare="previous")
    assert (answer["total"]["value"], answer["comparison"]["total"]["value"]) == (1.4, 1.6)


async def test_a_period_is_the_one_of_the_units_calendar(migrated_database: Callable[..., str]) -> None:
    policy = Policy(
        version="test",
        business_units={"tehran": UnitPolicy(time_zone="Asia/Tehran", calendar=Calendar(system="jalali"))},
    )
    metrics = Metrics(migrated_database("metrics"), policy=policy)
    try:
        there = Told("tehran")
        for number in range(60):
            there.tell(f"b{number}", "LeadCreated", 2 * number)
        await metrics.fold(there.facts)
        spring = await put(metrics, kpi="leads_created", business_unit="tehran", period="1405-Q1", value="30")
        assert (spring["from"], spring["to"]) == ("2026-03-21", "2026-06-22")
        asked = {"of": "leads_created", "business_unit": "tehran", "group_by": "quarter"}
        groups = (await metrics.ask("target_attainment", **asked))["groups"]
        assert [(one["key"]["quarter"], one["actual"]) for one in groups] == [("1405-Q1", 20)]
        assert (
            "1405-Q1"
            in (await refused(metrics, kpi="leads_created", business_unit="tehran", period="x", value="1"))["fix"]
        )
    finally:
        await metrics.close()


async def test_a_number_is_held_against_its_target_as_its_own_unit_tells_it(
    migrated_database: Callable[..., str],
) -> None:
    west = UnitPolicy(time_zone="America/Los_Angeles", customers=Customers(lifetime_months=2))
    metrics = Metrics(migrated_database("metrics"), policy=Policy(version="test", business_units={"west": west}))
    try:
        there = Told("west")
        there.tell("a", "LeadCreated", 1).tell("a", "OpportunityOpened", 12, opportunity_id="o")
        there.tell("a", "OpportunityWon", 31.1, opportunity_id="o")
        there.tell("c", "LeadCreated", 1).tell("c", "OpportunityOpened", 12, opportunity_id="p")
        there.tell("b", "LeadCreated", 1).tell(
            "b", "OrderPlaced", 2, order_id="1", amount="300", currency="EUR", cost="100"
        )
        await metrics.fold(there.facts)
        own = {"business_unit": "west", "start": "2026-01-01", "to": "2026-02-01", "as_of": day(60).isoformat()}
        for kpi in ("clv_projected", "opportunities_open"):
            await put(metrics, kpi=kpi, business_unit="west", period="2026-01", value="1")
        still_open = await metrics.total("target_attainment", **own, of="opportunities_open")
        assert still_open["actual"] == 1, "the other deal was won before the month was over there"
        told = await metrics.total("clv_projected", **own)
        assert told["lifetime_months"] == 2
        assert (await metrics.total("target_attainment", **own, of="clv_projected"))["actual"] == told["value"] > 0
    finally:
        await metrics.close()


async def test_what_is_held_against_a_target_is_given_as_long_as_was_asked_for(metrics: Metrics) -> None:
    told = Told()
    for number, converts in enumerate((3, 20, None, None)):
        told.tell(f"a{number}", "LeadCreated", 1)
        if converts is not None:
            told.tell(f"a{number}", "OpportunityOpened", converts, opportunity_id=f"o{number}")
    told.tell("a1", "OpportunityWon", 30, opportunity_id="o1", amount="600", currency="EUR")
    await metrics.fold(told.facts)
    for kpi in ("lead_to_opportunity_incidence", "clv_projected_revenue"):
        await put(metrics, kpi=kpi, period="2026-Q1", value="0.5", baseline="previous_period")
        for more in ({"horizon_days": 5}, {"horizon_days": 40}, {}):
            value = (await metrics.total(kpi, **QUARTER, **more))["value"]
            for of_target in ("target_attainment", "pace"):
                assert (await metrics.total(of_target, of=kpi, **QUARTER, **more))["actual"] == value > 0, more
    found = await metrics.total("target_attainment", of="lead_to_opportunity_incidence", **QUARTER, horizon_days=5)
    assert (found["actual"], found["on_target"]) == (0.25, False)


@pytest.mark.parametrize("seed", [3, 4])
async def test_attainment_and_pace_equal_their_naive_recomputation(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    facts = history(random, 25)
    await metrics.fold_all(random.sample(facts, len(facts)), 40)
    for as_of in (day(20), day(70)):
        for period, start, end in (
            ("2026-01", day(0).date(), day(31).date()),
            ("2026-02", day(31).date(), day(59).date()),
        ):
            counts = Naive(facts, as_of, start, end).counts()
            for kpi in ("leads_created", "opportunities_won", "win_rate_count", "lead_to_opportunity_cohort"):
                baseline = {"baseline": "fixed", "baseline_value": "0.2"} if "_r" in kpi or "cohort" in kpi else {}
                wanted = random.randint(5, 40) if not baseline else 0.8
                await put(metrics, kpi=kpi, period=period, value=str(wanted), **baseline)
                asked = {"of": kpi, "start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
                share = min(max((as_of.date() - start) / (end - start), 0), 1)
                line = wanted * share if not baseline else 0.2 + (wanted - 0.2) * share
                actual = counts[kpi]
                reached = await metrics.total("target_attainment", **asked)
                assert reached["value"] == (None if actual is None else pytest.approx(actual / wanted)), (kpi, asked)
                pace = await metrics.total("pace", **asked)
                assert pace["value"] == (None if actual is None or not line else pytest.approx(actual / line)), (
                    kpi,
                    asked,
                )


async def test_what_is_off_pace_today_is_listed(metrics: Metrics) -> None:
    await sold(metrics)
    await put(metrics, kpi="opportunities_won", period="2027", value="10")
    await put(metrics, **VOLUME, value="1000")
    items = (await metrics.client.get("/v1/targets/standing")).json()["items"]
    assert [(one["kpi"], one["actual"]) for one in items] == [("opportunities_won", 0)]
    then = (await metrics.client.get("/v1/targets/standing", params={"on": "2026-02-01"})).json()["items"]
    assert [(one["kpi"], one["pace"], one["on_pace"]) for one in then] == [("sales_volume", 0.4, False)]


async def test_today_is_the_day_that_it_is_in_the_unit_of_a_target(metrics: Metrics) -> None:
    """In Tehran April has begun, and for everybody, whose days are in UTC, March has not ended."""
    await sold(metrics)
    evening = datetime(2026, 3, 31, 21, 36, tzinfo=UTC)
    metrics.clock.advance(evening - metrics.clock.now())
    for unit in (None, "tehran"):
        for first, after in (("2026-03-01", "2026-04-01"), ("2026-04-01", "2026-05-01")):
            await put(metrics, kpi="leads_created", business_unit=unit, value="1000", **{"from": first, "to": after})
    items = (await metrics.client.get("/v1/targets/standing")).json()["items"]
    assert {one["business_unit"]: one["from"] for one in items} == {None: "2026-03-01", "tehran": "2026-04-01"}
    assert len(items) == 2
    own = (await metrics.client.get("/v1/targets/standing", params={"business_unit": "tehran"})).json()["items"]
    assert [one["from"] for one in own] == ["2026-04-01"]
    found = (await metrics.client.get("/v1/findings", params={"as_of": evening.isoformat()})).json()["findings"]
    assert [one["business_unit"] for one in found if one["kind"] == "pace"] == [None]
