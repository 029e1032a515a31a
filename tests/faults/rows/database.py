"""PostgreSQL goes, comes back as another, or gives too little: the log waits, and nothing becomes poison for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psycopg

from tests.faults.harness.matrix import fault, scenario
from tests.faults.harness.proxy import CommitProxy
from tests.faults.harness.stage import Stage
from tests.faults.harness.world import World, open_world
from tests.support.patience import eventually

CONSUMERS = ("scoring", "pipeline", "metrics")
RECOVERS_WITHIN_SECONDS = 10.0
LEADS_THAT_GO_ON = 20
UNTROUBLED = (
    "-c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed -c statement_timeout=0 "
    "-c lock_timeout=0 -c deadlock_timeout=60s"
)
BIG_TABLES = {"scoring": "scoring.leads", "pipeline": "pipeline.leads", "metrics": "metrics.facts"}
STATEMENT_TIMEOUT_SECONDS = 1
CUTS_OF_EACH_SERVICE = 20
MET_WITHIN_SECONDS = 30.0


@fault(row=16, title="PostgreSQL stops at once and comes back", seconds=8, always=True)
async def postgres_stops_at_once(world: World, chance: random.Random) -> None:
    async with _outage(world), _away(world.postgres.stop_immediately, world.postgres.start):
        await _leads_are_still_taken(world)
        await asyncio.sleep(chance.uniform(0.0, 2.0))


@fault(row=16, title="PostgreSQL is killed with all its sessions and comes back", seconds=8)
async def postgres_is_killed(world: World, chance: random.Random) -> None:
    async with _outage(world), _away(world.postgres.kill, world.postgres.start):
        await _leads_are_still_taken(world)
        await asyncio.sleep(chance.uniform(0.0, 2.0))


@fault(row=16, title="PostgreSQL freezes for some seconds", seconds=14)
async def postgres_freezes(world: World, chance: random.Random) -> None:
    async with _outage(world), _away(world.postgres.pause, world.postgres.resume):
        await _leads_are_still_taken(world)
        await asyncio.sleep(chance.uniform(5.0, 10.0))


@fault(row=16, title="PostgreSQL is away for a minute", seconds=75, long_only=True)
async def postgres_is_away_for_a_minute(world: World, chance: random.Random) -> None:
    async with _outage(world), _away(world.postgres.stop_immediately, world.postgres.start):
        await _leads_are_still_taken(world)
        await _only_readiness_suffers(world)
        before = await world.metric("pipeline", "leadflow_consumer_lag_records")
        await asyncio.sleep(60)
        lag = await world.metric("pipeline", "leadflow_consumer_lag_records")
        assert lag > max(before, LEADS_THAT_GO_ON), f"the lag went from {before} to {lag} while the database was away"


@fault(row=17, title="the database is a read-only standby for some seconds", seconds=10)
async def postgres_is_read_only(world: World, chance: random.Random) -> None:
    async with _outage(world), _configured(world, "default_transaction_read_only", "on"):
        await _batches_are_put_back(world)
        await asyncio.sleep(chance.uniform(0.0, 3.0))


@fault(row=17, title="sessions are ended by the administrator, again and again (57P01)", seconds=10)
async def sessions_are_terminated(world: World, chance: random.Random) -> None:
    async with _outage(world):
        until = time.monotonic() + 5.0
        before = await _retries(world)
        ended = 0

        async def batches_were_hit() -> bool:
            nonlocal ended
            found = await world.rows(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'leadflow-%%'
                   ORDER BY random() LIMIT %s""",
                chance.randint(1, 6),
            )
            ended += len(found)
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            return time.monotonic() > until and await _retries(world) > before

        await eventually(batches_were_hit, within_seconds=MET_WITHIN_SECONDS, every_seconds=0)
        world.note(f"{ended} sessions ended; {await _retries(world) - before:.0f} batches were tried again")


@fault(row=17, title="every transaction is serializable, so that some fail (40001)", seconds=25)
async def transactions_fail_to_serialize(world: World, chance: random.Random) -> None:
    async with _outage(world):
        async with _configured(world, "default_transaction_isolation", "serializable"):
            await _begin_again(world)
            until = time.monotonic() + chance.uniform(4.0, 6.0)
            before = await _retries(world)

            async def some_failed() -> bool:
                await _change_places_under_waiting_batches(world, chance)
                return time.monotonic() > until and await _retries(world) > before

            await eventually(some_failed, within_seconds=MET_WITHIN_SECONDS, every_seconds=0.2)
            world.note(f"{await _retries(world) - before:.0f} batches were tried again")
        await _begin_again(world)


async def _begin_again(world: World) -> None:
    """A process keeps to the isolation that it met when it first connected."""
    for instance in _consuming(world):
        world.services.kill(instance)
        world.services.start(instance)
    await world.all_ready()


@fault(row=17, title="a session of somebody else deadlocks with the consumers (40P01)", seconds=15)
async def sessions_deadlock(world: World, chance: random.Random) -> None:
    async with _outage(world), _operator(world) as operator:
        before, tried_again = await _deadlocks(operator), await _retries(world)

        async def deadlocked() -> bool:
            await _lock_in_the_other_order(operator, chance)
            return await _deadlocks(operator) > before and await _retries(world) > tried_again

        await eventually(deadlocked, within_seconds=MET_WITHIN_SECONDS, every_seconds=0)
        world.note(f"{await _deadlocks(operator) - before} deadlocks")


@fault(row=19, title="every connection is taken by others", seconds=12)
async def connections_run_out(world: World, chance: random.Random) -> None:
    async with _outage(world), _operator(world) as operator, AsyncExitStack() as stack:

        async def all_taken() -> bool:
            await operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'leadflow-%'"
            )
            while True:
                try:
                    hog = await psycopg.AsyncConnection.connect(world.postgres.url, application_name="hog")
                except psycopg.OperationalError:
                    break
                stack.push_async_callback(hog.close)
            cursor = await operator.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'leadflow-%'"
            )
            left = await cursor.fetchone()
            return left is not None and left[0] == 0

        await eventually(all_taken, within_seconds=30, every_seconds=0)
        await _batches_are_put_back(world)
        await _leads_are_still_taken(world)
        await asyncio.sleep(chance.uniform(0.0, 3.0))


@fault(row=19, title="somebody holds a lock for longer than statements may take", seconds=25)
async def a_lock_is_held(world: World, chance: random.Random) -> None:
    service = chance.choice(CONSUMERS)
    short = {f"{service.upper()}_STATEMENT_TIMEOUT_SECONDS": str(STATEMENT_TIMEOUT_SECONDS)}
    await world.stop(service)
    world.services.start(service, **short)
    await world.all_ready(service)
    try:
        async with _outage(world), _operator(world) as operator, operator.transaction():
            await operator.execute(f"LOCK TABLE {BIG_TABLES[service]} IN ACCESS EXCLUSIVE MODE".encode())
            await _batches_are_put_back(world, service)
            await asyncio.sleep(chance.uniform(2.0, 6.0) * STATEMENT_TIMEOUT_SECONDS)
    finally:
        await world.stop(service)
        world.services.start(service)
        await world.all_ready(service)
    world.note(f"the tables of {service} were locked")


@scenario(row=18, title="the answers to COMMITs are lost, before and after they were done", seconds=75)
async def commit_answers_are_lost(stage: Stage, chance: random.Random) -> None:
    async with CommitProxy(chance) as proxy, open_world(stage, database_url_of=proxy.in_front_of) as world:

        def enough() -> bool:
            world.traffic.check()
            return min(proxy.count(f"leadflow-{service}") for service in CONSUMERS) >= CUTS_OF_EACH_SERVICE

        proxy.share = 0.2
        await eventually(enough, within_seconds=90)
        proxy.share = 0.0
        world.healed()
        await _recovers(world)
        granted = sum(times for answer, times in world.traffic.answers.items() if answer.startswith("command 2"))
        said = Counter(cut.name.lower() for (_, cut), times in proxy.cuts.items() for _ in range(times))
        world.note(f"COMMITs cut: {dict(said)}; {granted} commands were granted")


@asynccontextmanager
async def _away(go: Callable[[], None], come_back: Callable[[], None]) -> AsyncIterator[None]:
    await asyncio.to_thread(go)
    try:
        yield
    finally:
        await asyncio.to_thread(come_back)


@asynccontextmanager
async def _outage(world: World) -> AsyncIterator[None]:
    """A fault of the database from beginning to end: afterwards new leads count soon, and nothing became a dead letter."""
    before = await _dead_letters(world)
    yield
    world.healed()
    await _recovers(world)
    after = await _dead_letters(world)
    assert after == before, f"{after - before} records became dead letters because the database was away"


async def _recovers(world: World) -> None:
    seconds = await world.probe(within_seconds=60)
    assert seconds < RECOVERS_WITHIN_SECONDS, f"it took {seconds:.1f} s until a new lead was counted again"


async def _change_places_under_waiting_batches(world: World, chance: random.Random) -> None:
    """Holds a service's places and writes them as they are: a batch that waited for them began before that, and fails."""
    async with _operator(world) as operator, operator.transaction():
        service = chance.choice(CONSUMERS)
        await operator.execute(f"UPDATE {service}.consumer_offsets SET next_offset = next_offset".encode())
        await asyncio.sleep(chance.uniform(0.1, 0.5))


async def _retries(world: World) -> float:
    """How many batches the consumers have put back to be tried again."""
    return sum([await world.metric(instance, "leadflow_consumer_retries_total") for instance in _consuming(world)])


async def _dead_letters(world: World) -> int:
    found = await world.rows(
        " UNION ALL ".join(f"SELECT count(*) FROM {service}.dead_letters" for service in CONSUMERS)
    )
    return sum(row[0] for row in found)


async def _leads_are_still_taken(world: World) -> None:
    """The log does not need the database: capture goes on, and what it takes waits."""
    before = world.ledger.count()

    def more() -> bool:
        world.traffic.check()
        return world.ledger.count() >= before + LEADS_THAT_GO_ON

    await eventually(more, within_seconds=15)


async def _only_readiness_suffers(world: World) -> None:
    """Nobody is to be restarted because the database is away, and everybody who needs it says so."""
    for instance in _consuming(world):

        async def says_so(url: str = world.services.url(instance)) -> bool:
            alive = await world.http.get(f"{url}/livez")
            ready = await world.http.get(f"{url}/readyz")
            assert alive.status_code == 200, alive.text
            return ready.status_code == 503 and "database" in ready.json()["waiting_for"]

        await eventually(says_so, within_seconds=20)


async def _batches_are_put_back(world: World, *services: str) -> None:
    """Waits until each of these services, those that read capture's topic when none is named, has put a batch back."""
    for service in services or ("scoring", "pipeline"):

        async def put_back(service: str = service) -> bool:
            waiting = 0
            for instance in _consuming(world, service):
                try:
                    answer = await world.http.get(f"{world.services.url(instance)}/readyz")
                except httpx.TransportError:
                    continue
                waiting += "try a batch again" in answer.json()["waiting_for"].get("consumer", "")
            return waiting > 0

        await eventually(put_back, within_seconds=30)


def _consuming(world: World, *services: str) -> list[str]:
    wanted = services or CONSUMERS
    return [instance for instance in list(world.services.processes) if instance.partition("-")[0] in wanted]


@asynccontextmanager
async def _operator(world: World) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """A session that no setting of the server troubles."""
    async with await psycopg.AsyncConnection.connect(
        world.postgres.url, autocommit=True, connect_timeout=5, options=UNTROUBLED
    ) as connection:
        yield connection


@asynccontextmanager
async def _configured(world: World, name: str, value: str) -> AsyncIterator[None]:
    """The server with another setting, which every transaction from now on has."""
    async with _operator(world) as operator:
        await operator.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        await operator.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            await operator.execute(f"ALTER SYSTEM RESET {name}".encode())
            await operator.execute("SELECT pg_reload_conf()")


async def _deadlocks(operator: psycopg.AsyncConnection[tuple[Any, ...]]) -> int:
    cursor = await operator.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    found = await cursor.fetchone()
    return int(found[0]) if found is not None else 0


async def _lock_in_the_other_order(operator: psycopg.AsyncConnection[tuple[Any, ...]], chance: random.Random) -> None:
    """Takes a service's positions from the last to the first while somebody waits, as the service takes them the other
    way round; this session waits longer before it looks for deadlocks, so that the service is the one that is hit."""
    places = f"SELECT 1 FROM {chance.choice(CONSUMERS)}.consumer_offsets WHERE partition = %s FOR UPDATE"
    async with operator.transaction():
        for partition in (3, 2, 1, 0):
            await operator.execute(places.encode(), (partition,))
            await asyncio.sleep(chance.uniform(0.1, 0.3))
