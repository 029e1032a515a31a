"""A sweep and a rescore that are broken off in the middle go on: nothing is lost, nothing is told twice."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from services.scoring.domain import Assessment, Case
from services.scoring.sweep import Sweep
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence
from shared.contracts.topics import SCORING_SCORES
from shared.kit.errors import Retryable
from shared.kit.frames import unpack
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.goes_on import BATCH
from tests.integration.scoring.test_sweep import FADING, a_demo
from tests.support.patience import eventually
from tests.support.services import ROOT
from tests.unit.scoring.builders import an_id, captured

LEADS = range(90)
TRANSIENT = (OperationalError, InterfaceError, DBAPIError, Retryable, OSError)
OLDER = Policy.model_validate(
    {**FADING.model_dump(mode="json", exclude_unset=True), "version": "older"}
    | {"defaults": {"scoring": {"engagement": [{"rule": "demo", "kind": "demo_request", "points": 9}]}}}
)


@pytest.fixture(params=["sweep", "rescore"])
async def broken_off(
    request: pytest.FixtureRequest, migrated_database: Callable[..., str], registry: CollectorRegistry
) -> AsyncIterator[tuple[Scoring, str]]:
    """Leads that all have something to be told: two grades that time took, or a score by another policy."""
    kind = str(request.param)
    service = Scoring(migrated_database("scoring"), registry, FADING if kind == "sweep" else OLDER)
    for start in range(0, len(LEADS), 20):
        some = LEADS[start : start + 20]
        await service.take(*(one for lead in some for one in (captured(lead, ("c", lead)), a_demo(lead))))
    if kind == "rescore":
        await service.policies.remember()
        service.use(FADING)
        await service.rescoring.ask()
    else:
        service.clock.advance(timedelta(days=40))
    async with service.database.transaction() as tx:
        await tx.execute("DELETE FROM scoring.outbox")
    yield service, kind
    await service.database.close()


def work(service: Scoring, kind: str) -> Callable[[], Awaitable[Any]]:
    if kind == "rescore":
        return service.rescoring.until_done
    sweep = Sweep(service.database, service.handlers, service.instruments, interval_seconds=1, batch=BATCH)
    return sweep.until_done


async def check(service: Scoring, kind: str) -> None:
    """Each change was told once, in order, and every score is the one its ledger makes."""
    rows = await service.database.rows("SELECT frame FROM scoring.outbox ORDER BY id")
    told = [SCORING_SCORES.parse(one.value) for row in rows for one in unpack(row.frame)]
    assert len({event.event_id for event in told}) == len(told)
    assert Counter(event.lead_id for event in told) == dict.fromkeys(map(an_id, LEADS), 2 if kind == "sweep" else 1)
    grades: dict[object, list[str]] = {}
    for event in told:
        grades.setdefault(event.lead_id, []).append(event.grade)  # type: ignore[attr-defined]
    assert {tuple(of_lead) for of_lead in grades.values()} == {("B", "C") if kind == "sweep" else ("A",)}
    if kind == "rescore":
        [done] = await service.rescoring.found()
        assert (done.status, done.done, done.changed, done.failed) == ("finished", len(LEADS), len(LEADS), 0)
    audit = await service.audit()
    assert (audit.checked, audit.differences) == (len(LEADS), [])


async def told_so_far(service: Scoring) -> int:
    [row] = await service.database.rows("SELECT coalesce(sum(messages), 0) AS n FROM scoring.outbox")
    return int(row.n)


async def test_a_database_that_goes_away_in_the_middle_again_and_again(broken_off: tuple[Scoring, str]) -> None:
    service, kind = broken_off
    chance = Random(5)
    broken: list[int] = []

    async def break_connections() -> None:
        while len(broken) < 6 or not sum(broken):
            async with service.database.transaction() as tx:
                rows = await tx.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
                )
            broken.append(len(rows))
            await asyncio.sleep(chance.uniform(0.02, 0.2))

    breaking = asyncio.create_task(break_connections())
    while not breaking.done():
        with suppress(*TRANSIENT):
            await work(service, kind)()
        await asyncio.sleep(0)
    await breaking
    await work(service, kind)()
    await check(service, kind)


def something_told(service: Scoring, process: asyncio.subprocess.Process, before: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return process.returncode is not None or await told_so_far(service) > before

    return look


@pytest.mark.timeout(300)
async def test_a_process_that_is_killed_at_any_moment(broken_off: tuple[Scoring, str]) -> None:
    service, kind = broken_off
    chance = Random(3)
    command = (sys.executable, "-m", "tests.integration.scoring.goes_on", service.url, kind)
    killed = 0
    for _ in range(2):
        before = await told_so_far(service)
        process = await asyncio.create_subprocess_exec(
            *command,
            service.clock.now().isoformat(),
            FADING.model_dump_json(exclude_unset=True),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"begins"
        await eventually(
            something_told(service, process, before), every_seconds=chance.uniform(0.001, 0.02), within_seconds=120
        )
        if process.returncode is None:
            process.kill()
            killed += 1
        await process.wait()
    assert killed
    assert await told_so_far(service) < len(LEADS) * (2 if kind == "sweep" else 1)
    await work(service, kind)()
    await check(service, kind)


class Poisoned:
    """Cannot cope with one lead."""

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        if any(case.touches[0].lead_id == an_id(LEADS[50]) for case in cases):
            raise ArithmeticError("no number")
        return ["none_active"] * len(cases)


@pytest.mark.logs_errors
async def test_one_lead_that_cannot_be_judged_costs_nobody_else_anything(broken_off: tuple[Scoring, str]) -> None:
    service, kind = broken_off
    service.use(FADING, Poisoned())
    await work(service, kind)()
    rows = await service.database.rows("SELECT lead_id, policy_version, postponed_until FROM scoring.leads")
    bad = an_id(LEADS[50])
    assert {row.policy_version for row in rows if row.lead_id != bad} == {FADING.version}
    if kind == "rescore":
        [done] = await service.rescoring.found()
        assert (done.status, done.done, done.changed, done.failed) == ("finished", len(LEADS), len(LEADS) - 1, 1)
    else:
        [waiting] = [row.postponed_until for row in rows if row.postponed_until is not None]
        assert waiting == service.clock.now() + timedelta(days=1)
    service.use(FADING)
    if kind == "rescore":
        await service.rescoring.ask()
    else:
        service.clock.advance(timedelta(days=1))
    await work(service, kind)()
    rows = await service.database.rows("SELECT frame FROM scoring.outbox ORDER BY id")
    told = Counter(SCORING_SCORES.parse(one.value).lead_id for row in rows for one in unpack(row.frame))
    assert set(told) == set(map(an_id, LEADS))
    assert (await service.audit()).differences == []
