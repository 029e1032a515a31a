"""What is due fires by itself, once, whoever else is at work on the same leads, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.asking import Asked
from services.pipeline.assigning import Assigning
from services.pipeline.commands import Commands
from services.pipeline.domain import decisions
from services.pipeline.domain.tasks import decide_snooze
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments, WorkInstruments
from services.pipeline.storage import loading
from services.pipeline.storage.worklist import open_office
from services.pipeline.timers import RESTS, Timers
from services.pipeline.workload import Workload
from shared.contracts.lifecycle_events import FollowUpMissed, FollowUpScheduled, LeadAssigned
from shared.contracts.policy import Policy
from shared.kit.errors import Rejected
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_routing import ROUTING, do, with_sections
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.pipeline.builders import SECRET, a_lead, a_score, at

FOLLOW_UP: dict[str, Any] = {
    "cadences": [
        {
            "cadence": "all",
            "respond_within": "1h",
            "steps": [{"step": "call", "channel": "phone", "within": "30m"}, {"step": "write", "channel": "email", "wait": "1h"}],
            "escalate": {"to": "boss", "within": "2h"},
        }
    ]
}  # fmt: skip


class Work:
    """A pipeline that gives out leads and has timers, at a time that the test moves."""

    def __init__(self, pipeline: Pipeline, policy: Policy) -> None:
        instruments = PipelineInstruments(CollectorRegistry())
        self.clock = FakeClock(at(0))
        self.policy = policy
        self.pipeline = pipeline
        pipeline.database.clock = self.clock
        pipeline.handlers = Handlers(policy, SECRET, instruments, pipeline.routes)
        self.commands = Commands(pipeline.database, policy, SECRET, instruments)
        self.registry = CollectorRegistry()
        self.instruments = WorkInstruments(self.registry)
        self.timers = Timers(pipeline.database, Assigning(policy), self.instruments, interval_seconds=0.01)
        self.workload = Workload(pipeline.database, policy, self.instruments)

    async def leads(self, number: int) -> list[UUID]:
        """So many qualified leads, in one batch."""
        leads = [a_lead(f"{place}@x.example") for place in range(number)]
        await self.pipeline.take(*leads, *(a_score(one.lead_id, 70) for one in leads))
        return [one.lead_id for one in leads]

    async def tasks(self) -> Counter[tuple[str, str]]:
        """How many tasks there are, by name and state."""
        rows = await self.pipeline.database.rows(
            """
            SELECT name, CASE WHEN status = 'open' AND missed_at IS NOT NULL THEN 'missed' ELSE status END AS state, count(*) AS n
            FROM pipeline.tasks GROUP BY 1, 2"""
        )
        return Counter({(row.name, row.state): row.n for row in rows})

    async def missed(self) -> Counter[UUID]:
        """Which tasks were missed, by what the log says."""
        said = await self.pipeline.published()
        return Counter(one.task_id for one in said if isinstance(one, FollowUpMissed) and one.task_id is not None)

    def after(self, minutes: float) -> None:
        self.clock.advance(timedelta(minutes=minutes))


@pytest.fixture
def work(pipeline: Pipeline) -> Work:
    return Work(pipeline, with_sections(routing=ROUTING, follow_up=FOLLOW_UP))


async def contact(work: Work, lead_id: UUID, kind: str = "phone", outcome: str | None = None) -> dict[str, Any]:
    def decide(state: Any, _: Any, act: Any) -> Any:
        return decisions.decide_contact(state, act, kind=kind, outcome=outcome, owner=None, human=True, outbound=True)

    return await do(work.commands, lead_id, ":record-contact", decide)


async def test_what_is_due_begins_in_the_batch_that_qualifies_and_belongs_to_whom_the_lead_was_given(
    work: Work,
) -> None:
    (lead_id,) = await work.leads(1)
    said = await work.pipeline.published()
    assert [type(one).__name__ for one in said[-3:]] == ["LeadAssigned", "FollowUpScheduled", "FollowUpScheduled"]
    assigned = next(one for one in said if isinstance(one, LeadAssigned))
    due = [one for one in said if isinstance(one, FollowUpScheduled)]
    assert [(one.kind, one.due_at, one.owner) for one in due] == [
        ("first_response", at(60), assigned.owner),
        ("step", at(30), assigned.owner),
    ]
    row = await work.pipeline.one("SELECT * FROM pipeline.tasks WHERE kind = 'step'")
    assert (row.lead_id, row.owner, row.fires_at, row.status) == (lead_id, assigned.owner, at(30), "open")


async def test_timers_fire_when_it_is_time_and_not_before_and_not_again(work: Work) -> None:
    await work.leads(3)
    work.after(29)
    assert await work.timers.once() == 0
    work.after(2)
    assert await work.timers.once() == 3
    assert await work.tasks() == {("call", "missed"): 3, ("first_response", "open"): 3, ("call is late", "open"): 3}
    assert await work.timers.once() == 0
    work.after(30)
    await work.workload.refresh()
    assert work.registry.get_sample_value("leadflow_pipeline_timers_due") == 3
    assert work.registry.get_sample_value("leadflow_pipeline_timers_late_seconds") == 60
    assert await work.timers.once() == 3
    fired = {"kind": "first_response", "event": "FollowUpMissed"}
    assert work.registry.get_sample_value("leadflow_pipeline_timers_fired_total", fired) == 3


async def test_an_attempt_in_time_leaves_nothing_to_fire(work: Work) -> None:
    (lead_id,) = await work.leads(1)
    work.after(10)
    shown = await contact(work, lead_id, outcome="voicemail")
    assert shown["first_response_at"] == at(10)
    assert await work.tasks() == {("call", "done"): 1, ("first_response", "done"): 1, ("write", "open"): 1}
    work.after(70)
    assert await work.timers.once() == 0


async def test_several_timers_share_what_is_due_and_fire_each_once_beside_commands(work: Work) -> None:
    leads = await work.leads(60)
    work.after(90)

    async def until_empty() -> None:
        for _ in range(40):
            await work.timers.once()
            await asyncio.sleep(0)

    commands = (contact(work, lead_id, outcome="voicemail") for lead_id in leads[::3])
    await asyncio.gather(until_empty(), until_empty(), *commands)
    missed = await work.missed()
    assert set(missed.values()) == {1}
    waiting = await work.pipeline.one(
        "SELECT count(*) AS n FROM pipeline.tasks WHERE fires_at <= :now", now=work.clock.now()
    )
    assert waiting.n == 0
    rows = await work.pipeline.database.rows(
        "SELECT task_id, missed_at FROM pipeline.tasks WHERE missed_at IS NOT NULL"
    )
    assert {row.task_id for row in rows} == set(missed)


async def test_what_somebody_has_in_hand_is_left_for_the_next_look(work: Work) -> None:
    first, _ = await work.leads(2)
    work.after(31)
    async with work.pipeline.database.transaction() as held:
        await held.rows("SELECT 1 FROM pipeline.leads WHERE lead_id = :id FOR UPDATE", id=first)
        assert await work.timers.once() == 1
    assert await work.timers.once() == 1


async def test_a_timer_that_waits_its_turn_to_give_out_a_lead_holds_nothing_of_a_lead_that_somebody_else_has(
    work: Work,
) -> None:
    in_hand, put_aside = await work.leads(2)
    back = partial(decisions.decide_archive, reason="no budget", note=None, recycle_at=at(20))
    await do(work.commands, put_aside, ":archive", back)
    work.after(31)
    routing = with_sections(routing=ROUTING, follow_up=FOLLOW_UP)

    async def waits() -> bool:
        return bool((await work.pipeline.one("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")).n)

    async with work.pipeline.database.transaction() as held:
        await loading.lock_groups(held, [in_hand])
        await open_office(held, "default", Assigning(routing).router("default"))
        firing = asyncio.create_task(work.timers.once())
        await eventually(waits)
        await held.execute("UPDATE pipeline.tasks SET updated_at = updated_at WHERE lead_id = :id", {"id": in_hand})
    assert await firing == 1
    assert (await work.pipeline.lead(put_aside)).status == "qualified"


async def test_what_two_ids_have_to_do_is_done_once_they_are_one(work: Work) -> None:
    one, other = a_lead("ann@x.example"), a_lead(phone="+31612345678", occurred_at=at(1))
    await work.pipeline.take(one, other, a_score(one.lead_id, 70), a_score(other.lead_id, 70, occurred_at=at(1)))
    await work.pipeline.take(a_lead("ann@x.example", phone="+31612345678", occurred_at=at(2)))
    root = (await work.pipeline.lead(one.lead_id)).root_id
    work.after(31.5)
    assert await work.timers.once() == 1
    (missed,) = [event for event in await work.pipeline.published() if isinstance(event, FollowUpMissed)]
    assert missed.lead_id == root
    await contact(work, root, outcome="reached")
    tasks = await work.tasks()
    assert {state for (name, state) in tasks if name != "call is late"} == {"done", "cancelled"}
    assert (tasks["call", "done"], tasks["first_response", "done"]) == (1, 1)


async def test_a_lead_that_is_converted_needs_no_more(work: Work) -> None:
    (lead_id,) = await work.leads(1)
    asked = Asked(":archive", {}, idempotency_key="once")
    for _ in range(2):
        await work.commands.on_lead(
            lead_id,
            asked,
            lambda state, unit, act: decisions.decide_archive(state, unit, act, reason="no budget", note=None),
        )
    assert await work.tasks() == {("call", "cancelled"): 1, ("first_response", "cancelled"): 1}
    await do(work.commands, lead_id, ":reopen", lambda state, _, act: decisions.decide_reopen(state, act))
    assert (await work.tasks())["call", "open"] == 1


async def test_nothing_is_put_off_to_a_moment_that_has_come_by_who_tells_of_it_late(work: Work) -> None:
    await work.leads(1)
    work.after(31)
    await work.timers.once()
    row = await work.pipeline.one("SELECT task_id FROM pipeline.tasks WHERE kind = 'step'")

    async def put_off(until: float, said_at: float) -> None:
        asked = Asked("/tasks:snooze", {}, "kim", occurred_at=at(said_at))
        await work.commands.on_task(row.task_id, asked, lambda task, _, act: decide_snooze(task, act, until=at(until)))

    await put_off(100, 31)
    with pytest.raises(Rejected) as refused:
        await put_off(0, -1)
    assert refused.value.code == "not-later"
    assert (await work.pipeline.one("SELECT due_at FROM pipeline.tasks WHERE kind = 'step'")).due_at == at(130)


async def test_a_timer_that_cannot_fire_keeps_no_other_from_firing_and_is_tried_again_later(work: Work) -> None:
    (unlucky,) = await work.leads(1)
    work.after(31)
    await work.timers.once()
    work.pipeline.rows_are_told = False
    fires_again = "UPDATE pipeline.tasks SET missed_at = NULL, fires_at = due_at WHERE lead_id = :id AND kind = 'step'"
    async with work.pipeline.database.transaction() as transaction:
        await transaction.execute(fires_again, {"id": unlucky})
    fine = a_lead("fine@x.example", occurred_at=at(31), recorded_at=at(31))
    await work.pipeline.take(fine, a_score(fine.lead_id, 70, occurred_at=at(31)))
    work.after(85)
    steps = "SELECT missed_at, due_at, fires_at FROM pipeline.tasks WHERE lead_id = :id AND name = 'call'"
    assert (await work.pipeline.one(steps, id=fine.lead_id)).due_at < work.clock.now()
    assert await work.timers.once() > 0
    assert (await work.pipeline.one(steps, id=fine.lead_id)).missed_at is not None
    resting = await work.pipeline.one(steps, id=unlucky)
    assert (resting.missed_at, resting.due_at, resting.fires_at) == (None, at(30), work.clock.now() + RESTS)
    assert set((await work.missed()).values()) == {1}
