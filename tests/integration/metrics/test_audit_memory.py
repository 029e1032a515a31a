"""What an audit asks of metrics takes the same memory however much lies there, and however much of it differs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.metrics.storage import auditing
from tests.integration.metrics.harness import POLICY, Metrics
from tests.unit.metrics.histories import history

SMALL, LARGE = 1_000, 20_000
ROOM = 1.3
LETTERS = """
    INSERT INTO metrics.dead_letters (topic, partition, record_offset, record_timestamp, headers, stage, reason, detail, value,
        recorded_at, attempts, status)
    SELECT 'pipeline.lifecycle.v1', 0, n, now(), '{"headers": []}', 'handle', 'x', 'x', convert_to(CAST(json_build_object(
        'event', 'LeadTouched', 'causation_id', md5(CAST(n AS text)), 'note', repeat('x', 1000)) AS text), 'UTF8'), now(), 1, 'open'
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n"""
SUMS = """
    INSERT INTO metrics.rollups (measure, dimension, day, business_unit, value, age_days, currency, count, durations,
        duration_microseconds, amount)
    SELECT 'lead_created', 'source', DATE '2026-01-01' + n % 300, 'default', 'source ' || n, -1, '', 1, 0, 0, 0
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n"""


async def most(ask: Callable[[], Awaitable[Any]]) -> tuple[int, Any]:
    """The most memory that Python had more than before while it was asked, and what was answered."""
    await ask()  # what is kept for good is there after the first time
    tracemalloc.start()
    try:
        answer = await ask()
        return tracemalloc.get_traced_memory()[1], answer
    finally:
        tracemalloc.stop()


async def put(metrics: Metrics, sql: str, first: int, last: int) -> None:
    async with metrics.database.engine.begin() as connection:
        await connection.execute(text(sql), {"first": first, "last": last})


@pytest.mark.timeout(200)
async def test_dead_letters_are_read_and_not_kept(metrics: Metrics) -> None:
    ids = [uuid4() for _ in range(100)]

    async def ask() -> Any:
        return await auditing.captured(metrics.database, ids)

    await put(metrics, LETTERS, 1, SMALL)
    small, _ = await most(ask)
    await put(metrics, LETTERS, SMALL + 1, LARGE)
    large, answer = await most(ask)
    assert len(answer["unknown"]) == 100
    assert large < small * ROOM, (small, large)
    dead = UUID((await metrics.database.rows("SELECT md5('20000') AS id"))[0].id)
    assert (await auditing.captured(metrics.database, [dead]))["dead_lettered"] == [str(dead)]


@pytest.mark.timeout(200)
async def test_sums_that_differ_are_counted_and_not_kept(metrics: Metrics) -> None:
    await metrics.fold_all(history(Random(1), 20))

    async def ask() -> Any:
        return await auditing.rollups(metrics.database, POLICY.unit)

    await put(metrics, SUMS, 1, SMALL)
    small, found = await most(ask)
    assert found["different"] == SMALL
    await put(metrics, SUMS, SMALL + 1, LARGE)
    large, found = await most(ask)
    assert (found["different"], len(found["differences"])) == (LARGE, auditing.SHOWN)
    assert large < small * ROOM, (small, large)
