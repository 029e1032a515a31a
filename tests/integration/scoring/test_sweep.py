"""Scores move with time: what came to pass is told once, as of the midnight at which it did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.domain import Assessment, Case
from services.scoring.sweep import Sweep
from shared.contracts.capture_events import InteractionRecorded
from shared.contracts.identity import derived_event_id
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence
from tests.integration.scoring.conftest import Scoring
from tests.support.patience import eventually
from tests.unit.scoring.builders import an_id, captured, days, interacted, merged, unmerged

FADING = Policy.model_validate(
    {
        "version": "fading-1",
        "defaults": {
            "scoring": {
                "engagement": [{"rule": "demo", "kind": "demo_request", "points": 40}],
                "decay": {"any": {"half_life_days": 10}},
                "ratings": {"engagement": [99, 98, 97]},
                "grades": [
                    {"grade": "A", "at_least": 20},
                    {"grade": "B", "at_least": 10},
                    {"grade": "C", "at_least": 0},
                ],
            }
        },
    }
)
TO_B, TO_C = (datetime(2026, 3, day, tzinfo=UTC) for day in (13, 23))


def a_demo(lead: object = "lead", minutes: float = 1) -> InteractionRecorded:
    return interacted(lead, ("demo", lead), minutes, kind="demo_request")


@pytest.fixture
async def fading(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Scoring]:
    service = Scoring(migrated_database("scoring"), registry, FADING)
    yield service
    await service.database.close()


async def due(scoring: Scoring) -> dict[object, datetime | None]:
    rows = await scoring.database.rows("SELECT lead_id, due_at FROM scoring.leads")
    return {row.lead_id: row.due_at for row in rows}


async def test_a_grade_that_time_took_is_told_as_of_the_midnight_it_was_lost(fading: Scoring) -> None:
    [scored] = await fading.take(captured(), a_demo())
    assert (scored.score, scored.grade) == (40, "A")
    assert await due(fading) == {an_id("lead"): TO_B}
    fading.clock.advance(TO_B - fading.clock.now() - timedelta(microseconds=1))
    assert await fading.sweep() == []
    fading.clock.advance(timedelta(hours=5))
    [event] = await fading.sweep()
    assert (event.score, event.grade, event.occurred_at) == (19, "B", TO_B)
    assert (event.recorded_at, event.causation_id) == (fading.clock.now(), None)
    assert [(reason.rule, reason.points) for reason in event.reasons] == [("demo", 19)]
    assert await due(fading) == {an_id("lead"): TO_C}
    assert await fading.sweep() == []


async def test_changes_that_were_missed_are_told_each_at_its_own_midnight(fading: Scoring) -> None:
    await fading.take(captured(), a_demo())
    fading.clock.advance(timedelta(days=300))
    events = await fading.sweep()
    assert [(event.grade, event.occurred_at) for event in events] == [("B", TO_B), ("C", TO_C)]
    assert await due(fading) == {an_id("lead"): None}


async def test_who_sweeps_again_from_the_same_state_tells_the_same_events(
    fading: Scoring, migrated_database: Callable[..., str]
) -> None:
    restored = Scoring(migrated_database("scoring"), CollectorRegistry(), FADING)
    told = []
    for service, late in ((fading, 40), (restored, 90)):
        await service.take(captured(), a_demo())
        service.clock.advance(timedelta(days=late))
        told.append([(event.event_id, event.occurred_at, event.score) for event in await service.sweep()])
    assert told[0] == told[1]
    await restored.database.close()


async def test_an_event_after_the_sweep_counts_from_where_time_has_come(fading: Scoring) -> None:
    await fading.take(captured(), a_demo())
    fading.clock.advance(timedelta(days=12))
    await fading.sweep()
    [late] = await fading.take(interacted(event="late", minutes=days(2), kind="demo_request"))
    assert (late.occurred_at, late.score, late.grade) == (TO_B, 21, "A")


async def test_a_sweep_takes_bounded_batches_and_goes_on_where_it_was(fading: Scoring) -> None:
    for lead in range(5):
        await fading.take(captured(lead, ("c", lead)), a_demo(lead))
    fading.clock.advance(timedelta(days=12))
    assert [len(await fading.sweep(limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_of_several_replicas_one_sweeps_at_a_time(fading: Scoring) -> None:
    for lead in range(30):
        await fading.take(captured(lead, ("c", lead)), a_demo(lead))
    fading.clock.advance(timedelta(days=12))
    replicas = [
        Sweep(fading.database, fading.handlers, fading.instruments, interval_seconds=0.01, batch=4) for _ in range(3)
    ]
    async with replicas[0].running(), replicas[1].running(), replicas[2].running():

        async def nobody_is_due() -> bool:
            return all(at != TO_B for at in (await due(fading)).values())

        await eventually(nobody_is_due)
    messages = await fading.database.rows("SELECT sum(messages) AS told FROM scoring.outbox")
    assert messages[0].told == 60


async def test_who_was_merged_is_swept_with_the_root_alone(fading: Scoring) -> None:
    await fading.take(captured("a", "c1"), captured("b", "c2"), a_demo("a"))
    await fading.take(merged("a", "b", 2, 3))
    assert await due(fading) == {an_id("a"): None, an_id("b"): TO_B}
    fading.clock.advance(timedelta(days=12))
    [event] = await fading.sweep()
    assert event.lead_id == an_id("b")
    await fading.take(unmerged("a", "b", 3, days(12)))
    assert await due(fading) == {an_id("a"): TO_C, an_id("b"): None}


async def test_what_time_does_to_history_is_history(fading: Scoring) -> None:
    await fading.take(captured(historical=True), interacted(kind="demo_request", historical=True))
    fading.clock.advance(timedelta(days=12))
    [event] = await fading.sweep()
    assert event.historical


async def test_under_another_policy_a_lead_that_is_due_is_scored_by_that(fading: Scoring) -> None:
    await fading.take(captured(), a_demo())
    slower = FADING.model_dump()
    slower["version"], slower["defaults"]["scoring"]["decay"] = "fading-2", {"any": {"half_life_days": 20}}
    fading.use(Policy.model_validate(slower))
    fading.clock.advance(timedelta(days=12))
    [event] = await fading.sweep()
    assert (event.score, event.grade, event.policy_version, event.occurred_at) == (27, "A", "fading-2", TO_B)
    assert await due(fading) == {an_id("lead"): datetime(2026, 3, 23, tzinfo=UTC)}


class Stumbling:
    """Cannot assess one lead, because of a fault in it."""

    def __init__(self) -> None:
        self.stumbles = False

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        if self.stumbles and any(case.touches[0].lead_id == an_id("bad") for case in cases):
            raise ArithmeticError("no number")
        return ["failed"] * len(cases)


@pytest.mark.logs_errors
async def test_a_lead_that_cannot_be_judged_waits_a_day_and_keeps_nobody(fading: Scoring) -> None:
    model = Stumbling()
    fading.use(FADING, model)
    for lead in ("bad", "good", "fine"):
        await fading.take(captured(lead, ("c", lead)), a_demo(lead))
    fading.clock.advance(timedelta(days=12))
    model.stumbles = True
    sweep = Sweep(fading.database, fading.handlers, fading.instruments, interval_seconds=1, batch=10)
    assert await sweep.until_done() == 3
    waiting = await due(fading)
    assert waiting == {
        an_id("bad"): TO_B,
        an_id("good"): TO_C,
        an_id("fine"): TO_C,
    }
    assert fading.registry.get_sample_value("leadflow_scoring_leads_swept_total", {"outcome": "failed"}) == 1
    model.stumbles = False
    audit = await fading.audit()
    assert (audit.checked, audit.differences) == (3, [])
    assert await fading.sweep() == []
    fading.clock.advance(timedelta(days=1))
    [event] = await fading.sweep()
    assert (event.lead_id, event.grade) == (an_id("bad"), "B")


async def test_the_id_of_what_time_did_says_what_it_says(fading: Scoring) -> None:
    await fading.take(captured(), a_demo())
    fading.clock.advance(timedelta(days=12))
    [event] = await fading.sweep()
    assert event.event_id not in {derived_event_id(an_id("c"), "LeadScored"), event.lead_id}
    assert event.correlation_id == event.event_id


async def test_while_events_come_in_the_sweep_and_the_batches_do_not_lose_each_other(fading: Scoring) -> None:
    leads = range(20)
    for lead in leads:
        await fading.take(captured(lead, ("c", lead)), a_demo(lead))
    fading.clock.advance(timedelta(days=12))
    sweep = Sweep(fading.database, fading.handlers, fading.instruments, interval_seconds=1, batch=3)

    async def visits() -> None:
        for number in range(20):
            await fading.take(*(interacted(lead, ("v", lead, number), days(12), kind="page_view") for lead in leads))

    await asyncio.gather(visits(), sweep.until_done())
    assert set((await due(fading)).values()) == {TO_C}
