"""What could not be taken in: counted as capture tells of it, in any order, against counting it naively."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.contracts.identity import derived_event_id
from shared.contracts.quarantine_events import PayloadQuarantined, QuarantineSettled
from shared.contracts.topics import CAPTURE_QUARANTINE
from shared.kit.database import Transaction
from shared.kit.records import Record
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

ZONES = {"default": ZoneInfo("UTC"), "tehran": ZoneInfo("Asia/Tehran"), "unknown": ZoneInfo("UTC")}
PayloadTold = PayloadQuarantined | QuarantineSettled


def came(random: Random, number: int) -> list[PayloadTold]:
    """What capture tells of some payloads, and of what became of most of them."""
    found: list[PayloadTold] = []
    for _ in range(number):
        one, unit, at = (
            UUID(int=random.getrandbits(128), version=4),
            random.choice(list(ZONES)),
            day(random.random() * 70),
        )
        same: dict[str, Any] = {"lead_id": one, "business_unit": unit, "correlation_id": one}
        found.append(
            PayloadQuarantined(
                **same,
                event_id=one,
                occurred_at=at,
                recorded_at=at,
                sender="shop",
                kind="lead",
                reason="invalid",
                channel=random.choice(("web_form", "chat", None)),
            )
        )
        outcomes = random.choice(((), (), ("released",), ("dropped",), ("expired", "released"), ("erased",)))
        for days, outcome in enumerate(outcomes, 1):
            then = at + timedelta(days=days * random.random() * 30)
            found.append(
                QuarantineSettled(
                    **same,
                    event_id=derived_event_id(one, outcome),
                    occurred_at=then,
                    recorded_at=then,
                    causation_id=one,
                    outcome=outcome,
                )
            )
    return found


async def tell(metrics: Metrics, *told: PayloadTold) -> Transaction:
    async with metrics.database.transaction() as tx:
        await metrics._handlers.handle(
            tx,
            [
                Record(
                    CAPTURE_QUARANTINE.name,
                    0,
                    place,
                    b"",
                    b"",
                    (),
                    one.recorded_at,
                    CAPTURE_QUARANTINE.parse(one.to_json()),
                )
                for place, one in enumerate(told)
            ],
        )
    return tx


def naive(told: Iterable[PayloadTold], as_of: datetime) -> dict[str, int]:
    """What these amount to by then: each is where its last word says, and what was released stays so."""
    told = list(told)
    counts = {"value": 0, "n": 0, "open": 0, "released": 0, "given_up": 0}
    for one in told:
        if isinstance(one, QuarantineSettled) or one.occurred_at > as_of:
            continue
        said = {
            each.outcome
            for each in told
            if isinstance(each, QuarantineSettled) and each.lead_id == one.lead_id and each.occurred_at <= as_of
        }
        stands = "released" if "released" in said else "given_up" if said else "open"
        for name in ("value", "n", stands):
            counts[name] += 1
    return counts


def of(told: Iterable[PayloadTold], start: date, end: date) -> list[PayloadTold]:
    """What came on these days of its unit, and what became of that."""
    told = list(told)
    inside = {
        one.lead_id
        for one in told
        if isinstance(one, PayloadQuarantined)
        and start <= one.occurred_at.astimezone(ZONES[one.business_unit]).date() < end
    }
    return [one for one in told if one.lead_id in inside]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_was_quarantined_equals_its_naive_count(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    told = came(random, 200)
    shuffled = [*told, *random.sample(told, 50)]
    random.shuffle(shuffled)
    while shuffled:
        size = random.randint(1, 60)
        await tell(metrics, *shuffled[:size])
        del shuffled[:size]
    await metrics.fold(Told("tehran").tell("a", "LeadCreated", 3, channel="chat").facts)
    channels = {one.lead_id: one.channel for one in told if isinstance(one, PayloadQuarantined)}
    for as_of in (day(200), day(20.5)):
        for start, end in ((date(2000, 1, 1), date(2100, 1, 1)), (date(2026, 1, 9), date(2026, 2, 1))):
            there = of(told, start, end)
            asked = {"start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
            assert (await metrics.total("data_quality", **asked))["quarantined"] == naive(there, as_of)
            by_cut = await metrics.ask("data_quality", **asked, group_by="business_unit,channel")
            for group in by_cut["groups"]:
                unit, channel = group["key"]["business_unit"], group["key"]["channel"]
                same = [one for one in there if one.business_unit == unit and channels[one.lead_id] == channel]
                assert group["quarantined"] == naive(same, as_of)
            assert sum(one["quarantined"]["n"] for one in by_cut["groups"]) == naive(there, as_of)["n"]
            by_month = await metrics.ask("data_quality", **asked, group_by="month", business_unit="tehran")
            for group in by_month["groups"]:
                same = [one for one in there if one.business_unit == "tehran"]
                month = {
                    one.lead_id
                    for one in same
                    if isinstance(one, PayloadQuarantined)
                    and f"{one.occurred_at.astimezone(ZONES['tehran']):%Y-%m}" == group["key"]["month"]
                }
                assert group["quarantined"] == naive([one for one in same if one.lead_id in month], as_of)
    ids = [[str(one.lead_id), str(one.event_id)] for one in told]
    audited = (await metrics.client.post("/v1/audit/lifecycle", json={"ids": ids})).json()
    assert (len(audited["facts"]), audited["unknown"]) == (len(told), [])
    assert (await metrics.audit())["different"] == 0


async def test_told_again_changes_nothing(metrics: Metrics) -> None:
    told = came(Random(4), 20)
    await tell(metrics, *told)
    again = await tell(metrics, *told, told[0])
    assert len(again.duplicates) == len(told) + 1
    assert (await metrics.total("data_quality"))["quarantined"] == naive(told, day(300))


async def test_it_is_left_out_where_the_cut_is_by_what_is_not_known_of_it(metrics: Metrics) -> None:
    await tell(metrics, *came(Random(5), 5))
    for asked in ({"group_by": "source"}, {"owner": "kim"}, {"group_by": "channel,team"}):
        assert "quarantined" not in await metrics.total("data_quality", **asked)
    compared = await metrics.ask(
        "data_quality", start="2026-01-20", to="2026-02-01", compare="previous", calendar="jalali"
    )
    assert compared["comparison"]["total"]["quarantined"]["n"] > 0
