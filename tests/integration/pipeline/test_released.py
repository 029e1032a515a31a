"""Whoever is marked by mistake and released is answered, written to and called as if there had been no mark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.pipeline.asking import Asked
from services.pipeline.domain import decisions
from shared.contracts.lifecycle_events import FollowUpMissed
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import Mailbox, a_policy
from tests.integration.pipeline.test_messages import Office, box

__all__ = ["box"]


async def mark(office: Office, lead_id: UUID) -> None:
    await office.commands.on_person(
        lead_id,
        Asked(":mark", {}, "kim"),
        lambda state, _, act: decisions.decide_mark(state, act, mark="spam", note=None),
    )


async def release(office: Office, lead_id: UUID) -> None:
    await office.commands.on_person(
        lead_id, Asked(":release", {}, "kim"), lambda state, _, act: decisions.decide_release(state, act, note=None)
    )


async def open_tasks(office: Office) -> dict[str, Any]:
    rows = await office.pipeline.database.rows("SELECT * FROM pipeline.tasks WHERE status = 'open'")
    assert len({row.name for row in rows}) == len(rows)
    return {row.name: row for row in rows}


async def test_what_was_due_is_due_at_the_same_times_however_often_somebody_is_marked(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    lead_id = await office.lead()
    before = await open_tasks(office)
    for _ in range(2):
        await mark(office, lead_id)
        assert await open_tasks(office) == {}
        office.after(minutes=2)
        await release(office, lead_id)
        again = await open_tasks(office)
        for name in ("first_response", "write"):
            old, new = before[name], again[name]
            assert (new.starts_at, new.due_at, new.owner) == (old.starts_at, old.due_at, old.owner)
    office.after(hours=48)
    await office.work()
    assert len(box.got) == 1
    assert [one.kind for one in await office.said(FollowUpMissed)] == ["first_response"]
    assert (await open_tasks(office)).keys() == {"first_response", "call"}


async def test_what_was_missed_before_has_as_much_time_again(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead()
    office.after(hours=5)
    await office.decide()
    assert len(await office.said(FollowUpMissed)) == 1
    await mark(office, lead_id)
    await release(office, lead_id)
    await office.decide()
    assert len(await office.said(FollowUpMissed)) == 1
    assert (await open_tasks(office))["first_response"].due_at == office.clock.now() + timedelta(hours=4)


async def test_what_was_done_before_is_not_done_again(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead()
    await office.work()
    assert (len(box.got), (await office.task()).status) == (1, "done")
    await mark(office, lead_id)
    await release(office, lead_id)
    await office.work()
    assert len(box.got) == 1
    assert (await open_tasks(office)).keys() == {"first_response", "call"}
