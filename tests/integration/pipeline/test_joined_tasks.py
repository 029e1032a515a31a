"""Two leads that turn out to be one person are worked on as one: nothing is due twice, and what was called off begins again where
they are parted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.pipeline.asking import Asked
from services.pipeline.domain import customers
from services.pipeline.domain.decisions import decide_assign, decide_contact, decide_unmerge
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.lifecycle_events import FollowUpCancelled, FollowUpDone, FollowUpMissed, LeadMerged
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import Mailbox, a_policy, mailbox
from tests.integration.pipeline.test_messages import Office
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP, Work, contact
from tests.unit.pipeline.builders import a_lead, a_score, at

PHONE = "+31206391274"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailbox() as one:
        yield one


async def two_leads(office: Office) -> tuple[LeadCaptured, LeadCaptured]:
    """Both qualified, both with a cadence; the first came in earlier."""
    mail = a_lead("ann@x.example", occurred_at=at(0))
    phone = a_lead(phone=PHONE, occurred_at=at(0) + timedelta(seconds=1), channel="phone")
    scores = [a_score(one.lead_id, 70, occurred_at=at(1)) for one in (mail, phone)]
    await office.pipeline.take(mail, phone, *scores)
    return mail, phone


async def joined(office: Office) -> None:
    await office.pipeline.take(a_lead("ann@x.example", phone=PHONE, occurred_at=at(2)))


async def tasks(office: Office) -> list[tuple[UUID, str, str, str | None]]:
    """Of whom, called what, how it is, and why."""
    rows = await office.pipeline.database.rows("SELECT * FROM pipeline.tasks ORDER BY name, status, task_id")
    return [(row.lead_id, row.name, row.status, row.outcome) for row in rows]


async def unmerged(office: Office, lead_id: UUID) -> None:
    await office.commands.unmerge(lead_id, Asked(":unmerge", {}, "kim"), decide_unmerge)


async def test_one_person_is_written_to_once_and_answered_once(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    mail, phone = await two_leads(office)
    await joined(office)
    assert sorted(await tasks(office)) == sorted(
        [
            (mail.lead_id, "first_response", "open", None),
            (mail.lead_id, "write", "open", None),
            (phone.lead_id, "first_response", "cancelled", "merged"),
            (phone.lead_id, "write", "cancelled", "merged"),
        ]
    )
    said = await office.said(FollowUpCancelled)
    assert {(event.lead_id, event.reason) for event in said} == {(phone.lead_id, "merged")}
    office.after(minutes=40)
    await office.work()
    assert [one["To"] for one in box.got] == ["ann@x.example"]
    office.after(days=30)
    await office.decide()
    missed = [event.kind for event in await office.said(FollowUpMissed)]
    assert missed.count("first_response") == 1


async def test_it_holds_in_one_batch_and_the_same_batch_again_changes_nothing(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    told: list[Any] = [a_lead("ann@x.example", occurred_at=at(0)), a_lead(phone=PHONE, occurred_at=at(1))]
    told += [a_score(one.lead_id, 70, occurred_at=at(2)) for one in told]
    told.append(a_lead("ann@x.example", phone=PHONE, occurred_at=at(3)))
    for _ in range(2):
        await pipeline.take(*told)
        assert sorted(one[1:3] for one in await tasks(office) if one[2] == "open") == [
            ("first_response", "open"),
            ("write", "open"),
        ]


async def test_parted_again_each_has_its_own_to_do_with_the_time_that_was_left(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    mail, phone = await two_leads(office)
    before = {one.due_at for one in await pipeline.database.rows("SELECT * FROM pipeline.tasks")}
    await joined(office)
    office.after(days=2)
    await unmerged(office, phone.lead_id)
    open_now = [one[:2] for one in await tasks(office) if one[2] == "open"]
    assert sorted(open_now) == sorted(
        (lead.lead_id, name) for lead in (mail, phone) for name in ("first_response", "write")
    )
    resumed = await pipeline.database.rows(
        "SELECT * FROM pipeline.tasks WHERE lead_id = :id AND status = 'open'", id=phone.lead_id
    )
    assert all(one.due_at > office.clock.now() for one in resumed)
    assert all(one.due_at - office.clock.now() <= max(before) - at(0) for one in resumed)
    await office.commands.merge(mail.lead_id, phone.lead_id, Asked(":merge", {}, "kim"))
    assert len([one for one in await tasks(office) if one[2] == "open"]) == 2


async def test_who_has_the_person_has_what_is_due_and_gives_it_back(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    known = a_lead("ann@x.example", occurred_at=at(0))
    phone = a_lead(phone=PHONE, occurred_at=at(1), channel="phone")
    await pipeline.take(known, phone, a_score(phone.lead_id, 70, occurred_at=at(2)))

    async def owners() -> set[str]:
        return {one.owner for one in await pipeline.database.rows("SELECT owner FROM pipeline.tasks")}

    (theirs,) = await owners()
    await office.commands.on_lead(
        known.lead_id,
        Asked(":assign", {}, "boss", occurred_at=at(5)),
        lambda state, _, act: decide_assign(state, act, owner="zoe", team=None),
    )
    await office.commands.merge(known.lead_id, phone.lead_id, Asked(":merge", {}, "boss", occurred_at=at(6)))
    assert await owners() == {"zoe"}
    await unmerged(office, phone.lead_id)
    assert await owners() == {theirs}


async def test_what_nobody_needs_of_a_customer_is_called_off_when_they_turn_out_to_be_one(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    mail, phone = await two_leads(office)
    await office.commands.on_lead(
        mail.lead_id,
        Asked("/orders", {}, "kim"),
        lambda state, unit, act: customers.decide_order(
            state, unit, act, customers.Order("o1", None, "5", None, None, None, None, None, None)
        ),
    )
    await office.commands.merge(mail.lead_id, phone.lead_id, Asked(":merge", {}, "kim"))
    assert {(one[2], one[3]) for one in await tasks(office)} == {("cancelled", "customer")}
    await unmerged(office, phone.lead_id)
    open_now = {one[:2] for one in await tasks(office) if one[2] == "open"}
    assert open_now == {(phone.lead_id, "first_response"), (phone.lead_id, "write")}


async def test_who_was_answered_before_they_were_one_was_not_once_they_are_parted(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    mail, phone = await two_leads(office)
    await office.commands.on_lead(
        mail.lead_id,
        Asked(":record-contact", {}, "kim"),
        lambda state, _, act: decide_contact(
            state, act, kind="phone", outcome=None, owner=None, human=True, outbound=True
        ),
    )
    await office.commands.merge(mail.lead_id, phone.lead_id, Asked(":merge", {}, "kim"))
    (merge,) = await office.said(LeadMerged)
    (by_merge,) = [one for one in await office.said(FollowUpDone) if one.causation_id == merge.event_id]
    assert (by_merge.lead_id, by_merge.kind, by_merge.reason) == (phone.lead_id, "first_response", "merged")
    await unmerged(office, phone.lead_id)
    open_now = [one[:2] for one in await tasks(office) if one[2] == "open"]
    assert (phone.lead_id, "first_response") in open_now
    assert (mail.lead_id, "first_response") not in open_now


async def test_who_left_before_does_not_hide_what_their_merge_called_off(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(wait="30m"), mail_smtp_url=box.url)
    known = a_lead("ann@x.example", occurred_at=at(0))
    others = [a_lead(f"{name}@x.example", occurred_at=at(1)) for name in ("bo", "cy")]
    await pipeline.take(known, *others, a_score(known.lead_id, 70, occurred_at=at(2)))
    for one in others:
        await office.commands.on_lead(
            one.lead_id,
            Asked("/orders", {}, "kim"),
            lambda state, unit, act, name=f"o{one.lead_id}": customers.decide_order(  # type: ignore[misc]
                state, unit, act, customers.Order(name, None, "5", None, None, None, None, None, None)
            ),
        )
    for one in others:
        await office.commands.merge(known.lead_id, one.lead_id, Asked(":merge", {}, "kim"))
    for one, due in zip(others, (0, 2), strict=True):
        await unmerged(office, one.lead_id)
        assert len([task for task in await tasks(office) if task[2] == "open"]) == due


async def test_what_is_done_while_they_are_one_stays_with_whom_it_was_due_for(pipeline: Pipeline) -> None:
    work = Work(pipeline, with_sections(routing=ROUTING, follow_up=FOLLOW_UP))
    unasked, asked = a_lead("ann@x.example"), a_lead(phone=PHONE, occurred_at=at(1))
    await pipeline.take(unasked, asked, a_score(asked.lead_id, 70, occurred_at=at(2)))
    await pipeline.take(a_lead("ann@x.example", phone=PHONE, occurred_at=at(3)))
    work.after(10)
    await contact(work, unasked.lead_id)
    rows = await pipeline.database.rows("SELECT lead_id, event FROM pipeline.history WHERE event LIKE 'FollowUp%'")
    assert {row.lead_id for row in rows} == {asked.lead_id}
    await work.commands.unmerge(asked.lead_id, Asked(":unmerge", {}, "kim"), decide_unmerge)
    due = await pipeline.database.rows("SELECT lead_id, name FROM pipeline.tasks WHERE status = 'open' ORDER BY name")
    assert [(row.lead_id, row.name) for row in due] == [(asked.lead_id, "first_response"), (asked.lead_id, "write")]
