"""Visitors told from registers are those that are counted, as near as registers can tell, while batches and orders to forget come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from threading import current_thread, main_thread
from typing import Any
from uuid import UUID

import pytest

from services.metrics.domain.distinct import how_many, how_many_each, unpacked
from services.metrics.merging import Merging
from services.metrics.rebuilding import Rebuilding
from services.metrics.storage import visitor_registers
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen, visitor_of
from tests.integration.metrics.harness import POLICY, Metrics
from tests.integration.metrics.test_visitors import tell, visits
from tests.unit.metrics.registers import STANDARD_ERROR, code_of
from tests.unit.metrics.stories import day

CUTS: tuple[Mapping[str, Any], ...] = (
    {},
    {"group_by": "channel"},
    {"group_by": "business_unit,source"},
    {"group_by": "week"},
    {"group_by": "source,month", "calendar": "jalali"},
    {"source": ["search", ""], "group_by": "month"},
    {"business_unit": "tehran", "channel": "chat"},
    {"start": "2026-01-03", "to": "2026-02-10", "group_by": "day"},
)
MOMENTS = (day(200), day(20.5), day(1.0))


def crowd(random: Random, number: int) -> list[VisitorSeen]:
    """Visits of many."""
    return [
        one.model_copy(update={"lead_id": visitor_of(f"{random.randrange(number // 2)}")})
        for one in visits(random, number)
    ]


async def ask_all(metrics: Metrics) -> list[dict[str, Any]]:
    return [await metrics.ask("visitors", **cut, as_of=as_of.isoformat()) for cut in CUTS for as_of in MOMENTS]


def alike(found: list[dict[str, Any]], exact: list[dict[str, Any]]) -> None:
    for one, wanted in zip(found, exact, strict=True):
        assert [group["key"] for group in one["groups"]] == [group["key"] for group in wanted["groups"]]
        for got, true in zip([one["total"], *one["groups"]], [wanted["total"], *wanted["groups"]], strict=True):
            assert got["value"] == pytest.approx(true["value"], rel=3 * STANDARD_ERROR, abs=2), wanted


async def test_registers_tell_what_is_counted_by_any_cut_and_as_of_any_moment(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = crowd(Random(11), 3_000)
    await tell(metrics, *told[:-200])
    while await metrics.database.run(visitor_registers.make):
        pass
    await tell(metrics, *told[-200:-197])
    exact = await ask_all(metrics)
    read: list[Any] = []
    from_registers = visitor_registers.from_registers

    async def noting(*asked: Any) -> Any:
        read.append(await from_registers(*asked))
        return read[-1]

    monkeypatch.setattr(visitor_registers, "FEW", -1)
    monkeypatch.setattr(visitor_registers, "from_registers", noting)
    alike(await ask_all(metrics), exact)
    assert all(read), "with three days to be read beside registers, all are answered from those"
    where = []

    def noting_where(kept: Any) -> Any:
        where.append(current_thread())
        return how_many_each(kept)

    monkeypatch.setattr(visitor_registers, "how_many_each", noting_where)
    monkeypatch.setattr(visitor_registers, "MOST_ROWS", 100)
    read.clear()
    await metrics.total("visitors", as_of=MOMENTS[0].isoformat())
    await metrics.total("visitors", as_of=MOMENTS[0].isoformat(), group_by="day,source")
    assert read[0] is not None
    assert read[1] is None, "of too many groups visits are counted"
    assert main_thread() not in where, "what goes on besides goes on"
    await tell(metrics, *told[-197:])
    read.clear()
    await metrics.total("visitors", as_of=MOMENTS[0].isoformat())
    assert read == [None], "and where most are to be made again, none is"


async def test_a_day_is_made_again_when_it_is_told_of_late_or_somebody_is_forgotten(metrics: Metrics) -> None:
    told = crowd(Random(12), 400)
    merging = Merging(metrics.database, interval_seconds=1, at_least=1_000, within_seconds=0)
    for begin in (0, 150):
        await tell(metrics, *told[begin : begin + 250])
        await merging.once()
    until = day(300)
    order = VisitorForgotten(
        event_id=UUID(int=7), lead_id=told[0].lead_id, business_unit="all", occurred_at=until, recorded_at=until,
        correlation_id=UUID(int=7), until=until + timedelta(days=1),
    )  # fmt: skip
    await tell(metrics, order)
    await merging.once()
    rows = await metrics.database.rows("SELECT DISTINCT visitor_id FROM metrics.visitors")
    wanted = unpacked([b"".join(code_of(row.visitor_id).to_bytes(3, "big") for row in rows)])
    for level in range(3):
        kept = await metrics.database.rows(
            "SELECT registers, visits FROM metrics.visitor_registers WHERE dimension = 'source' AND block / 1000000 = :level",
            level=level,
        )
        assert sum(row.visits for row in kept) == len(told)
        assert (unpacked(row.registers for row in kept) == wanted).all(), "of who was forgotten nothing is left"
    assert how_many(wanted) == pytest.approx(len(rows), abs=3)
    assert await metrics.database.rows("SELECT 1 FROM metrics.visitor_changes") == []


async def test_what_a_version_before_changed_without_a_word_is_audited_and_made_again_by_a_rebuild(
    metrics: Metrics,
) -> None:
    told = crowd(Random(13), 300)
    merging = Merging(metrics.database, interval_seconds=1, at_least=1_000, within_seconds=0)
    await tell(metrics, *told)
    assert (await metrics.audit())["differences"] == [], "what is to be made again is no difference"
    await merging.once()
    assert (await metrics.audit())["differences"] == []
    async with metrics.database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO metrics.visitors (event_id, visitor_id, business_unit, day, at, recorded_at)
            SELECT gen_random_uuid(), gen_random_uuid(), 'late', day, at, recorded_at FROM metrics.visitors LIMIT 1"""
        )
        await tx.execute(
            "UPDATE metrics.visitors SET visitor_id = gen_random_uuid() WHERE visitor_id = :one",
            {"one": told[0].lead_id},
        )
    (fault,) = (await metrics.audit())["differences"]
    assert (fault["table"], fault["business_unit"], fault["fault"]) == ("visitor_registers", "late", "missing")
    again = Rebuilding(metrics.database, POLICY.unit, interval_seconds=1)
    await again.ask()
    await again.until_done()
    await merging.once()
    assert (await metrics.audit())["differences"] == []
    rows = await metrics.database.rows("SELECT DISTINCT visitor_id FROM metrics.visitors")
    wanted = unpacked([b"".join(code_of(row.visitor_id).to_bytes(3, "big") for row in rows)])
    kept = await metrics.database.rows("SELECT registers FROM metrics.visitor_registers WHERE dimension = ''")
    assert (unpacked(row.registers for row in kept) == wanted).all(), "of who was forgotten nothing is left"
