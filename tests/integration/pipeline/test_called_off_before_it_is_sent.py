"""A message waits for a mail server, and meanwhile somebody does its step, calls it off or puts it off."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipeline.asking import Asked
from services.pipeline.commands import DecideTask
from services.pipeline.domain import decisions, tasks
from shared.contracts.lifecycle_events import ContactAttempted, LeadTouched
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import OK, Mailbox, a_policy
from tests.integration.pipeline.test_messages import Office, box
from tests.integration.pipeline.test_routing import do
from tests.unit.pipeline.builders import a_lead, an_interaction, at

__all__ = ["box"]


async def waiting(pipeline: Pipeline, box: Mailbox, contact: dict[str, Any] | None = None) -> Office:
    """A message that the server did not take yet."""
    office = Office(pipeline, a_policy(contact), mail_smtp_url=box.url)
    await office.lead()
    box.of_recipient = lambda _: "451 later"
    await office.work()
    assert (box.asked, await office.status()) == (1, "waiting")
    return office


async def back(office: Office, box: Mailbox) -> None:
    """The server is there again."""
    box.of_recipient = lambda _: OK
    office.after(hours=1)
    await office.work()


async def on_step(office: Office, decide: DecideTask) -> None:
    task = await office.task()
    await office.commands.on_task(task.task_id, Asked(":it", {}, "kim"), decide)


@pytest.mark.parametrize(
    ("decide", "reason"),
    [
        (lambda task, _, act: tasks.decide_cancel(task, act, note=None), "cancelled"),
        (lambda task, following, act: tasks.decide_complete(task, following, act, outcome=None, note=None), "done"),
    ],
)
async def test_a_step_that_is_called_off_or_done_by_hand_sends_nothing_any_more(
    pipeline: Pipeline, box: Mailbox, decide: DecideTask, reason: str
) -> None:
    office = await waiting(pipeline, box)
    await on_step(office, decide)
    await back(office, box)
    assert (box.got, await office.status()) == ([], "withdrawn")
    assert (await pipeline.one("SELECT last_error FROM pipeline.messages")).last_error == reason
    assert [one.outcome for one in await office.said(ContactAttempted)] == [None, "withdrawn"]
    assert (await office.task()).status == reason


async def test_who_was_written_to_by_hand_is_not_written_to_once_more(pipeline: Pipeline, box: Mailbox) -> None:
    office = await waiting(pipeline, box)
    (attempt,) = await office.said(ContactAttempted)

    def decide(state: Any, _: Any, act: Any) -> Any:
        return decisions.decide_contact(state, act, kind="email", outcome=None, owner=None, human=True, outbound=True)

    await do(office.commands, attempt.lead_id, ":record-contact", decide)
    await back(office, box)
    assert (box.got, await office.status()) == ([], "withdrawn")


async def test_a_step_that_is_put_off_sends_when_it_begins(pipeline: Pipeline, box: Mailbox) -> None:
    office = await waiting(pipeline, box)
    await on_step(office, lambda task, _, act: tasks.decide_snooze(task, act, until=at(180)))
    await back(office, box)
    assert (box.asked, await office.status()) == (1, "waiting")
    kept = await pipeline.one("SELECT next_at, attempts FROM pipeline.messages")
    assert (kept.next_at, kept.attempts) == (at(180), 1)
    office.after(hours=2, seconds=1)
    await office.work()
    assert (len(box.got), await office.status(), (await office.task()).status) == (1, "sent", "done")


async def test_a_message_that_is_tried_again_in_quiet_hours_waits_until_they_end(
    pipeline: Pipeline, box: Mailbox
) -> None:
    zone = a_policy().unit("default").zone
    quiet = {"start": f"{at(30).astimezone(zone):%H:%M}", "end": f"{at(300).astimezone(zone):%H:%M}"}
    office = await waiting(pipeline, box, {"quiet_hours": quiet, "quiet_exempt": []})
    await back(office, box)
    message = await pipeline.one("SELECT status, attempts, next_at FROM pipeline.messages")
    assert (box.got, message.status, message.attempts, message.next_at) == ([], "waiting", 1, at(300))
    office.after(hours=4)
    await office.work()
    assert (len(box.got), await office.status()) == (1, "sent")


async def test_a_message_that_is_tried_again_waits_for_a_limit_that_others_used_up_and_not_for_itself(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = await waiting(pipeline, box, {"limits": [{"at_most": 1, "within_hours": 2}]})
    (attempt,) = await office.said(ContactAttempted)

    def call(state: Any, _: Any, act: Any) -> Any:
        return decisions.decide_contact(state, act, kind="chat", outcome=None, owner=None, human=False, outbound=True)

    await do(office.commands, attempt.lead_id, ":record-contact", call)
    await back(office, box)
    assert (box.got, await office.status()) == ([], "waiting")
    office.after(hours=2)
    await office.work()
    assert (len(box.got), await office.status()) == (1, "sent")


@pytest.mark.parametrize(("outcome", "sent"), [("hard", 0), ("soft", 1)])
async def test_an_address_from_which_mail_came_back_for_good_is_written_to_once_it_is_given_anew(
    pipeline: Pipeline, box: Mailbox, outcome: str, sent: int
) -> None:
    office = await waiting(pipeline, box)
    bounce = an_interaction("ann@x.example", kind="email_bounce", outcome=outcome, occurred_at=at(5))
    await pipeline.take(bounce)
    await back(office, box)
    assert (len(box.got), await office.status()) == (sent, "sent" if sent else "withdrawn")
    assert ((await office.task()).status, (await office.task()).send) == ("done", "hello") if sent else ("open", None)
    assert [one.undeliverable for one in await office.said(LeadTouched)] == [not sent]


@pytest.mark.parametrize(
    "then",
    [
        lambda _: a_lead("ann@x.example", occurred_at=at(6)),
        lambda bounce: an_interaction("ann@x.example", kind="retraction", retracts=bounce, occurred_at=at(6)),
    ],
)
async def test_who_gives_an_address_again_or_of_whom_nothing_came_back_after_all_is_written_to(
    pipeline: Pipeline, box: Mailbox, then: Any
) -> None:
    office = await waiting(pipeline, box)
    bounce = an_interaction("ann@x.example", kind="email_bounce", outcome="hard", occurred_at=at(5))
    await pipeline.take(bounce)
    await pipeline.take(then(bounce.event_id))
    await back(office, box)
    assert (len(box.got), await office.status()) == (1, "sent")
