"""Something that is due for a lead, and the facts of it: that it is, that it is done, that it need not be done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from services.pipeline.domain.business_time import BusinessCalendar, NoTimeLeft
from services.pipeline.domain.facts import Draft, Fact, given
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import FollowUpCancelled, FollowUpDone, FollowUpScheduled
from shared.contracts.policy.follow_up import duration_of

Kind = Literal[
    "first_response", "step", "escalation", "task", "confirmation", "recycle", "request", "stage", "return", "renewal"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

FIRST_RESPONSE: Kind = "first_response"
CONFIRMATION: Kind = "confirmation"
RECYCLE: Kind = "recycle"
REQUEST: Kind = "request"
STAGE: Kind = "stage"
RETURN: Kind = "return"
RENEWAL: Kind = "renewal"

ONE_MINUTE = timedelta(minutes=1)


class Task(NamedTuple):
    """Something that is due for a lead. A `first_response` is met by any attempt to reach it, a `step` is one of a cadence, an
    `escalation` is somebody's who was told, a `task` was made by a person, a `confirmation` asks whether the lead qualifies, and
    at a `recycle` an archived lead comes back by itself. A `request` is the lead's own, to be answered. A `stage` is over when its deal leaves the stage, a `return` when somebody
    who came back has a deal again, a `renewal` when another order renews the one that runs out."""

    task_id: UUID
    lead_id: UUID
    kind: Kind
    name: str
    due_at: datetime
    starts_at: datetime
    owner: str | None = None
    channel: str | None = None
    cadence: str | None = None
    step: int | None = None
    missed: bool = False
    opportunity_id: str | None = None
    send: str | None = None
    order_id: str | None = None


def task_from(lead_id: UUID, data: Mapping[str, Any]) -> Task:
    """The task that a fact schedules."""
    due_at = datetime.fromisoformat(data["due_at"])
    starts_at = datetime.fromisoformat(data["starts_at"]) if "starts_at" in data else due_at
    name = data.get("name", data["kind"])
    owner, channel, cadence, step = (data.get(one) for one in ("owner", "channel", "cadence", "step"))
    return Task(
        UUID(data["task_id"]), lead_id, data["kind"], name, due_at, starts_at, owner, channel, cadence, step,
        opportunity_id=data.get("opportunity_id"),
        send=data.get("send"),
        order_id=data.get("order_id"),
    )  # fmt: skip


def told_again(task: Task, fact: Fact) -> Task:
    """The task as a later fact schedules it, the same lead's. What was missed is so for as long as it is due at the same moment."""
    again = task_from(task.lead_id, fact.data)
    return again._replace(missed=task.missed and again.due_at == task.due_at)


class Cause(NamedTuple):
    """What something follows from, and when that was."""

    event_id: UUID
    correlation_id: UUID
    occurred_at: datetime
    actor: str | None = None

    def draft(self, kind: Any, task_id: UUID, lead_id: UUID | None, /, **data: Any) -> Draft:
        """What follows, of one task, in the story of the id that it is for."""
        event_id = derived_event_id(self.event_id, f"{kind.__name__}:{task_id}")
        facts = {"task_id": str(task_id), **given(actor=self.actor, **data)}
        return Draft(kind, event_id, self.occurred_at, self.correlation_id, self.event_id, facts, lead_id=lead_id)


def later(calendar: BusinessCalendar, start: datetime, wait: str) -> datetime:
    """When so much working time has passed. A calendar that has none left makes nobody wait for ever: then time just passes."""
    try:
        return calendar.add(start, duration_of(wait))
    except NoTimeLeft:
        return start + duration_of(wait)


def scheduled(cause: Cause, task: Task, policy_version: str | None = None) -> Draft:
    """The task, to be done from then on."""
    step = {} if task.step is None else {"step": task.step}
    draft = cause.draft(
        FollowUpScheduled,
        task.task_id,
        task.lead_id,
        kind=task.kind,
        name=task.name,
        owner=task.owner,
        channel=task.channel,
        cadence=task.cadence,
        due_at=task.due_at.isoformat(),
        starts_at=task.starts_at.isoformat(),
        opportunity_id=task.opportunity_id,
        send=task.send,
        order_id=task.order_id,
        policy_version=policy_version,
    )
    return draft._replace(data={**draft.data, **step})


def due_anew(task: Task, cause: Cause, waited: timedelta = timedelta()) -> Task:
    """The task that takes the place of one that was called off for so long. What was missed before has as much time as it had at
    first: it was told already, and nothing is missed twice at one moment."""
    again = task._replace(task_id=derived_event_id(cause.event_id, f"task:{task.task_id}"))
    if not task.missed:
        return again._replace(starts_at=task.starts_at + waited, due_at=task.due_at + waited)
    window = max(task.due_at - task.starts_at, ONE_MINUTE)
    return again._replace(starts_at=cause.occurred_at, due_at=cause.occurred_at + window, missed=False)


def done(cause: Cause, task: Task, outcome: str | None = None, reason: str | None = None) -> Draft:
    """The task is done."""
    return cause.draft(FollowUpDone, task.task_id, task.lead_id, **_of(task), outcome=outcome, reason=reason)


def cancelled(cause: Cause, task: Task, reason: str) -> Draft:
    """The task need not be done any more."""
    return cause.draft(FollowUpCancelled, task.task_id, task.lead_id, **_of(task), reason=reason)


def _of(task: Task) -> dict[str, str | None]:
    about = {"opportunity_id": task.opportunity_id, "order_id": task.order_id}
    return {"kind": task.kind, "name": task.name, "owner": task.owner, **about}


def recycling(cause: Cause, at: datetime, policy_version: str | None = None) -> Draft:
    """An archived lead comes back by itself, then."""
    task_id = derived_event_id(cause.event_id, f"task:{RECYCLE}")
    return cause.draft(
        FollowUpScheduled,
        task_id,
        None,
        kind=RECYCLE,
        name="take up again",
        due_at=at.isoformat(),
        starts_at=at.isoformat(),
        policy_version=policy_version,
    )
