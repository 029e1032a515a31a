"""Steps that send: what is written, to whom, and what becomes of the step when it cannot be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.pipeline.domain.contact_rules import WITHDRAWN, Verdict
from services.pipeline.domain.due import Cause, Task, cancelled, done, later, scheduled
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.follow_up import Following, over
from services.pipeline.domain.leaving import Ways
from services.pipeline.domain.message_ids import decided_id, message_id_of
from services.pipeline.domain.state import LeadState
from shared.contracts.addresses import read_email
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import ContactAttempted
from shared.contracts.policy import Template
from shared.contracts.policy.templates import parts_of

SENT, SKIPPED = "sent", "skipped"
NO_ADDRESS, NO_WAY, NO_CONSENT, NO_TEMPLATE = "no address", "nothing sends here", "no consent", "no template"

Failure = Literal["bounced", "failed", "withdrawn"]


class Mail(NamedTuple):
    """A message as it is sent."""

    message_id: UUID
    to: str
    subject: str
    text: str
    language: str
    ways: Ways = Ways()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that was decided on: sent once this is committed."""

    message_id: UUID
    task: Task
    template: str


def address_of(personal: Mapping[str, Any]) -> str | None:
    """Where a message goes, None where nowhere. An address is one line by what reads it."""
    given_address = personal.get("email")
    return read_email(given_address) if isinstance(given_address, str) else None


def written(template: Template, message_id: UUID, to: str, personal: Mapping[str, Any], **known: str | None) -> Mail:
    """The message in the lead's language. What stands in a place is one line, and is not read for places again."""
    language = template.chosen(personal.get("language"))
    name = _line(personal.get("name"))
    values = {
        **{one: _line(personal.get(one)) for one in ("company", "job_title", "country")},
        **{one: _line(value) for one, value in known.items()},
        "name": name,
        "first_name": name.split(" ")[0],
    }
    wording = template.languages[language]
    return Mail(message_id, to, _line(_filled(wording.subject, values)), _filled(wording.text, values), language)


def decide_send(
    following: Following,
    state: LeadState,
    task: Task,
    *,
    verdict: Verdict | None,
    address: str | None,
    sends: bool,
    now: datetime,
) -> tuple[list[Draft], Wanted | None]:
    """What becomes of a step that sends, now that it begins: it is sent, begins later, goes to a person, or is left out."""
    marker = derived_event_id(task.task_id, f"send:{task.starts_at.isoformat()}")
    cause = Cause(marker, marker, now)
    if (reason := over(state)) is not None:
        return [cancelled(cause, task, reason)], None
    if not sends:
        return [to_a_person(following, cause, task, NO_WAY)], None
    if address is None:
        return not_sent(following, cause, task, NO_ADDRESS), None
    if verdict is not None and verdict.allowed_at is not None:
        window = max(task.due_at - task.starts_at, timedelta(minutes=1))
        later_on = task._replace(starts_at=verdict.allowed_at, due_at=verdict.allowed_at + window)
        return [_with(scheduled(cause, later_on), reason=verdict.reason)], None
    if verdict is not None:
        return not_sent(following, cause, task, NO_CONSENT if verdict.reason == "consent" else verdict.reason), None
    message_id = message_id_of(task.task_id)
    attempt = attempted(cause, task, message_id, None, policy_version=following.version)
    return [attempt], Wanted(message_id, task, task.send or "")


def attempted(
    cause: Cause, task: Task, message_id: UUID, outcome: str | None, *, policy_version: str | None = None
) -> Draft:
    """A machine's attempt to reach the lead: that it was decided on, or later how it failed."""
    data = given(
        kind=task.channel or "email",
        outcome=outcome,
        owner=task.owner,
        message_id=str(message_id),
        template=task.send,
        policy_version=policy_version,
    )
    event_id = (
        decided_id(message_id) if outcome is None else derived_event_id(message_id, f"ContactAttempted:{outcome}")
    )
    facts = {**data, "human": False, "outbound": True}
    return Draft(ContactAttempted, event_id, cause.occurred_at, cause.correlation_id, cause.event_id, facts)


def not_sent(following: Following, cause: Cause, task: Task, reason: str) -> list[Draft]:
    """By the policy somebody sees to it, or the next step is due as if this had been none."""
    step = following.step_of(task)
    if step is None or step.unsent == "person":
        return [to_a_person(following, cause, task, reason)]
    return [_with(done(cause, task, SKIPPED), reason=reason), *following.next_step(task, SKIPPED, cause)]


def to_a_person(following: Following, cause: Cause, task: Task, reason: str) -> Draft:
    """The step is its owner's to do, from now on."""
    step = following.step_of(task)
    due_at = later(following.calendar_of(task.owner), cause.occurred_at, step.within if step is not None else "8h")
    mine = task._replace(send=None, starts_at=cause.occurred_at, due_at=due_at)
    return _with(scheduled(cause, mine), reason=reason)


def has_been_sent(following: Following, task: Task | None, message_id: UUID, now: datetime) -> list[Draft]:
    """The step is done, if it is still open, and the next one is due."""
    cause = _of(message_id, now)
    return [] if task is None else [done(cause, task, SENT), *following.next_step(task, SENT, cause)]


def has_failed(
    following: Following, state: LeadState, task: Task, message_id: UUID, failure: Failure, reason: str, now: datetime
) -> list[Draft]:
    """It never arrives: that is on record, and a step that is still open is somebody's to do, or left out."""
    cause = _of(message_id, now)
    drafts = [attempted(cause, task, message_id, failure)]
    if over(state) is not None:
        return drafts
    if failure == WITHDRAWN:
        return [*drafts, *not_sent(following, cause, task, reason)]
    return [*drafts, to_a_person(following, cause, task, failure)]


def _of(message_id: UUID, now: datetime) -> Cause:
    return Cause(message_id, message_id, now)


def _with(draft: Draft, **more: Any) -> Draft:
    return draft._replace(data={**draft.data, **more})


def _line(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    return "".join(
        words + ("" if name is None else values.get(name) or instead or "") for words, name, instead in parts_of(text)
    )
