"""A guest rests the longer the busier its loop is and the more it did, and never so long that it stands still."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from shared.kit.courtesy import BATCH_SECONDS, MOST_RESTS, RECORD_SECONDS, rest_seconds


async def rest_beside(busy_seconds: float, records: int) -> float:
    """What a guest is told beside somebody who holds the loop for so long at every turn."""

    async def host() -> None:
        while True:
            until = time.perf_counter() + busy_seconds
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    other = asyncio.create_task(host())
    await asyncio.sleep(0)
    try:
        return await rest_seconds(records)
    finally:
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other


@pytest.mark.parametrize("records", [1, 1_000])
async def test_it_rests_at_most_nineteen_times_as_long_as_it_worked_however_busy_the_loop_is(records: int) -> None:
    most = MOST_RESTS * (BATCH_SECONDS + records * RECORD_SECONDS)
    assert await rest_beside(0.02, records) == pytest.approx(most)


async def test_it_rests_longer_beside_a_busy_host_than_alone() -> None:
    alone = min([await rest_seconds(100) for _ in range(20)])
    assert alone < await rest_beside(0.003, 100)


async def test_it_rests_longer_the_more_it_did() -> None:
    assert await rest_beside(0.02, 10) < await rest_beside(0.02, 1_000)
