"""How many were there: different visitors of any window by any cut, against counting them naively."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.contracts.topics import PIPELINE_VISITS
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen, visitor_of
from shared.kit.database import Transaction
from shared.kit.records import Record
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

ZONES = {"default": ZoneInfo("UTC"), "tehran": ZoneInfo("Asia/Tehran")}


def visits(random: Random, number: int) -> list[VisitorSeen]:
    """Visitors at any time, as pipeline would tell of them."""
    found: dict[Any, VisitorSeen] = {}
    for _ in range(number):
        unit, name = random.choice(list(ZONES)), f"{random.randrange(40)}"
        at = day(random.choice((0.9, 1.0, random.random() * 70)))
        channel, source = random.choice(("web_form", "chat")), random.choice(("search", "letters", None))
        event_id = UUID(int=random.getrandbits(128), version=4)
        told = VisitorSeen(
            event_id=event_id, lead_id=visitor_of(f"{unit}-{name}"), business_unit=unit, occurred_at=at, recorded_at=at,
            correlation_id=event_id, day=at.astimezone(ZONES[unit]).date(), channel=channel, source=source,
        )  # fmt: skip
        found[told.lead_id, told.day, channel, source, at] = told
    return list(found.values())


async def tell(metrics: Metrics, *told: VisitorSeen | VisitorForgotten) -> Transaction:
    async with metrics.database.transaction() as tx:
        records = [
            Record(PIPELINE_VISITS.name, 0, place, b"", b"", (), one.recorded_at, PIPELINE_VISITS.parse(one.to_json()))
            for place, one in enumerate(told)
        ]
        await metrics._handlers.handle(tx, records)
    return tx


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_visitors_equal_their_naive_count(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    told = visits(random, 400)
    shuffled = [*told, *random.sample(told, 50)]
    random.shuffle(shuffled)
    while shuffled:
        size = random.randint(1, 90)
        await tell(metrics, *shuffled[:size])
        del shuffled[:size]
    leads = Told("tehran").tell("a", "LeadCreated", 3, channel="chat").tell("b", "LeadCreated", 40, channel="phone")
    await metrics.fold(leads.facts)
    windows = (
        (date(2000, 1, 1), date(2100, 1, 1)),
        (date(2026, 1, 1), date(2026, 1, 3)),
        (date(2026, 1, 9), date(2026, 2, 1)),
    )
    for as_of in (day(200), day(20.5)):
        for start, end in windows:
            there = [one for one in told if start <= one.day < end and one.occurred_at <= as_of]
            asked = {"start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
            assert (await metrics.total("visitors", **asked))["value"] == len({one.lead_id for one in there})
            by_cut = await metrics.ask("visitors", **asked, group_by="channel,source")
            assert {tuple(one["key"].values()): one["value"] for one in by_cut["groups"]} == {
                (channel, source): len({one.lead_id for one in there if (one.channel, one.source) == (channel, source)})
                for channel, source in {(one.channel, one.source) for one in there}
            }
            by_month = await metrics.ask("visitors", **asked, group_by="business_unit,month")
            assert {tuple(one["key"].values()): one["value"] for one in by_month["groups"]} == {
                (unit, month): len(
                    {one.lead_id for one in there if (one.business_unit, f"{one.day:%Y-%m}") == (unit, month)}
                )
                for unit, month in {(one.business_unit, f"{one.day:%Y-%m}") for one in there}
            }
            only = await metrics.total("visitors", **asked, business_unit="tehran", source=["search", ""])
            assert only["value"] == len(
                {one.lead_id for one in there if one.business_unit == "tehran" and one.source in ("search", None)}
            )
    rate = await metrics.total("visitor_to_lead", business_unit="tehran")
    of_tehran = len({one.lead_id for one in told if one.business_unit == "tehran"})
    assert (rate["numerator"], rate["denominator"], rate["value"]) == (2, of_tehran, 2 / of_tehran)
    ids = [[str(one.lead_id), str(one.event_id)] for one in told]
    audited = (await metrics.client.post("/v1/audit/lifecycle", json={"ids": ids})).json()
    assert (len(audited["facts"]), audited["unknown"]) == (len(told), [])


async def test_told_again_changes_nothing(metrics: Metrics) -> None:
    told = visits(Random(4), 20)
    await tell(metrics, *told)
    again = await tell(metrics, *told, told[0])
    assert len(again.duplicates) == len(told) + 1
    assert (await metrics.total("visitors"))["value"] == len({one.lead_id for one in told})


async def test_a_forgotten_visitor_stays_counted_and_cannot_be_found(metrics: Metrics) -> None:
    told = visits(Random(5), 60)
    await tell(metrics, *told)
    before = await metrics.ask("visitors", group_by="week,source")
    gone, until = told[0].lead_id, day(300)
    order = VisitorForgotten(
        event_id=UUID(int=7), lead_id=gone, business_unit="all", occurred_at=until, recorded_at=until,
        correlation_id=UUID(int=7), until=until,
    )  # fmt: skip
    await tell(metrics, order)
    assert (await metrics.ask("visitors", group_by="week,source"))["groups"] == before["groups"]
    rows = await metrics.database.rows("SELECT 1 FROM metrics.visitors WHERE visitor_id = :id", id=gone)
    assert rows == []
    back = told[0].model_copy(
        update={
            "event_id": UUID(int=8),
            "recorded_at": until + timedelta(days=1),
            "occurred_at": until + timedelta(days=1),
        }
    )
    await tell(metrics, back)
    assert len((await tell(metrics, order)).duplicates) == 1
    rows = await metrics.database.rows("SELECT event_id FROM metrics.visitors WHERE visitor_id = :id", id=gone)
    assert [row.event_id for row in rows] == [UUID(int=8)], "what is told after that is somebody's again"
    found = (await metrics.client.post("/v1/audit/lifecycle", json={"ids": [[str(gone), str(order.event_id)]]})).json()
    assert found["facts"] == [str(order.event_id)]


async def test_a_window_is_compared_and_what_visitors_are_not_known_by_is_refused(metrics: Metrics) -> None:
    await tell(metrics, *visits(Random(6), 80))
    found = await metrics.ask("visitors", start="2026-02-01", to="2026-03-01", compare="previous", calendar="jalali")
    assert found["comparison"]["total"]["value"] > 0
    for asked in ({"group_by": "owner"}, {"stage": "first"}, {"from": "2026-01-01T09:00:00"}):
        refused = await metrics.client.get("/v1/kpis/visitor_to_lead", params=asked)
        assert refused.status_code == 422, refused.text
    assert await metrics.leads("visitors") == []
