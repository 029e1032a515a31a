"""Whoever scores the same leads at the same time waits for the others, and never so that two wait for each other. On real
PostgreSQL, which counts when they do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.scoring import storage
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.kit.database import Database, Transaction
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_sweep import FADING, a_demo
from tests.support.locking import found_quickly, locked_out
from tests.unit.scoring.builders import an_id, at, captured, interacted, merged, recorded, touched, unmerged

ROUNDS = int(os.environ.get("LEADFLOW_TEST_ROUNDS", "12"))
"""Of each of those who work at once. Seldom is what a hundred find: `LEADFLOW_TEST_ROUNDS=100`."""
LEADS = range(12)
CONSUMERS = 4


class Crowd:
    """Several who read the log, a sweep and a rescore, on the same few leads."""

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        found_quickly(url)
        self.scoring = Scoring(url, registry, FADING)
        self.scoring.database = Database(url, schema="scoring", clock=self.scoring.clock, pool_size=CONSUMERS + 3)
        self.scoring.use(FADING)
        self._number = 0

    async def deadlocks(self) -> int:
        return await locked_out(self.scoring.url, self.scoring.database)

    def new(self) -> int:
        """A number that nobody has."""
        self._number += 1
        return self._number

    async def take(self, events: Sequence[Event]) -> None:
        """One batch."""
        records = [recorded(event, place) for place, event in enumerate(events)]
        await self.scoring.database.run(lambda tx: self.scoring.handlers.handle(tx, records), deadline_seconds=60)

    async def at_once(self, *works: Callable[[Random], Awaitable[Any]]) -> None:
        """Everybody, over and over."""

        async def often(work: Callable[[Random], Awaitable[Any]], seed: int) -> None:
            chance = Random(seed)
            for _ in range(ROUNDS):
                await work(chance)

        async with asyncio.TaskGroup() as group:
            for seed, work in enumerate(works):
                group.create_task(often(work, seed))


@pytest.fixture
async def crowd(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Crowd]:
    one = Crowd(migrated_database("scoring"), registry)
    yield one
    await one.scoring.database.close()


def an_order(number: int, *leads: object) -> ErasureOrdered:
    """Some are to be forgotten."""
    erasure = an_id(("erasure", number))
    return ErasureOrdered(
        event_id=erasure,
        lead_id=an_id(leads[0]),
        business_unit="all",
        occurred_at=at(0),
        recorded_at=at(number),
        correlation_id=erasure,
        erasure_id=erasure,
        until=at(number),
        lead_ids=tuple(an_id(lead) for lead in leads),
        tokens=(),
        actor="kim",
        reason="request 17",
    )


@pytest.mark.timeout(900)
async def test_those_who_read_the_log_the_sweep_and_the_rescore_lock_nobody_out(crowd: Crowd) -> None:
    await crowd.take([one for lead in LEADS for one in (captured(lead, ("c", lead)), a_demo(lead))])

    def something(chance: Random) -> Sequence[Event]:
        number, one, other = crowd.new(), *chance.sample(LEADS, 2)
        match chance.randrange(7):
            case 0:
                return [captured(one, ("again", number), number)]
            case 1:
                return [merged(one, other, number + 1, number)]
            case 2:
                return [unmerged(one, other, number + 1, number)]
            case 3:
                return [touched(interacted(("visitor", number), ("visit", number), number), one, number)]
            case 4:
                before = chance.randrange(1, number + 1)
                return [interacted(("visitor", before), ("visit", before), before)]
            case 5 if chance.random() < 0.3:
                return [an_order(number, one), an_order(crowd.new(), other)]
            case _:
                return [interacted(one, ("look", number), number)]

    async def consume(chance: Random) -> None:
        await crowd.take([event for _ in range(6) for event in something(chance)])

    async def sweep(chance: Random) -> None:
        crowd.scoring.clock.advance(timedelta(days=10))
        one_by_one = chance.random() < 0.5
        pass_time = crowd.scoring.handlers.pass_time_singly if one_by_one else crowd.scoring.handlers.pass_time
        await crowd.scoring.database.run(lambda tx: pass_time(tx, limit=8), deadline_seconds=60)

    async def rescore(_chance: Random) -> None:
        await crowd.scoring.rescoring.ask()
        for _ in range(4):
            await crowd.scoring.rescoring.once()

    await crowd.scoring.policies.remember()
    await crowd.at_once(*[consume] * CONSUMERS, sweep, rescore)
    assert await crowd.deadlocks() == 0


async def test_a_touch_that_turns_out_to_be_another_leads_is_not_waited_for_with_leads_in_hand(crowd: Crowd) -> None:
    """Two batches, each with the lead that the other finds it needs: whose touches they have was said before these came."""
    high, low = sorted((0, 1), key=lambda lead: an_id(lead), reverse=True)
    await crowd.take([captured(high, "c1"), captured(low, "c2")])
    visits = [interacted(("visitor", lead), ("visit", lead), 1) for lead in (high, low)]
    await crowd.take([touched(visit, lead, 1) for visit, lead in zip(visits, (high, low), strict=True)])
    database = crowd.scoring.database
    both, held = asyncio.Barrier(2), storage.locked_groups

    async def meeting(tx: Transaction, lead_ids: Any) -> Any:
        """Both have their first leads before either asks for more."""
        found = await held(tx, lead_ids)
        if tx in firsts:
            firsts.remove(tx)
            await both.wait()
        return found

    firsts: list[Transaction] = []

    async def batch(events: Sequence[Event]) -> None:
        tries = 0

        async def work(tx: Transaction) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                firsts.append(tx)
            await crowd.scoring.handlers.handle(tx, [recorded(one, place) for place, one in enumerate(events)])

        await database.run(work, deadline_seconds=30)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "locked_groups", meeting)
        await asyncio.gather(
            batch([interacted(low, "l1", 2), visits[0]]),
            batch([interacted(high, "l2", 2), visits[1]]),
        )
    kept = await database.rows("SELECT count(*) AS n FROM scoring.touches WHERE attached_to IS NOT NULL")
    assert kept[0].n == 2
    assert await crowd.deadlocks() == 0
