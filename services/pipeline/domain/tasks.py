"""What people do with tasks: make one, do it, put it off, call it off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from services.pipeline.domain.decisions import Act
from services.pipeline.domain.due import (
    CONFIRMATION,
    FIRST_RESPONSE,
    RECYCLE,
    STAGE,
    Cause,
    Task,
    cancelled,
    done,
    scheduled,
    task_from,
)
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.follow_up import ERASED, Following, over
from services.pipeline.domain.ledger import Entry
from services.pipeline.domain.outcomes import told
from services.pipeline.domain.refusals import Refused, illegal
from services.pipeline.domain.state import LeadState

BY_HAND = "by hand"


def brought_up(known: Mapping[UUID, Task], entries: Iterable[Entry]) -> dict[UUID, Task]:
    """The open tasks after what was recorded since they were read."""
    tasks = dict(known)
    for lead, _, fact in entries:
        if fact.event == "FollowUpScheduled":
            task = task_from(lead.lead_id, fact.data)
            tasks[task.task_id] = task
        elif fact.event in ("FollowUpDone", "FollowUpCancelled"):
            tasks.pop(UUID(str(fact.data["task_id"])), None)
    return tasks


def decide_add(state: LeadState, act: Act, task: Task, *, note: str | None) -> list[Draft]:
    """Makes a task of a person's own; it belongs to whoever has the lead where nobody is named."""
    if (reason := over(state)) is not None:
        fix = "Reopen or release the lead first, or work on its opportunity."
        fix = "Say whom there is to speak with first: POST /v1/leads/{lead_id}/contacts." if reason == ERASED else fix
        raise illegal("Adding a task", reason, fix)
    if task.due_at <= act.known_at:
        raise _not_later("due_at")
    owner = task.owner or (state.assigned.owner if state.assigned is not None else None)
    return [scheduled(_cause(act), task._replace(owner=owner))._replace(event_id=act.act_id, aside=given(note=note))]


def decide_complete(
    task: Task, following: Following, act: Act, *, outcome: str | None, note: str | None
) -> list[Draft]:
    """The task is done; of a cadence the next step is due. That somebody answered is not said but done."""
    if task.kind == STAGE:
        raise Refused(
            "The opportunity leaves its stage by being moved, not by a task that is ticked off.",
            kind="conflict",
            code="needs-move",
            fix="Move, win or lose it: POST /v1/opportunities/{opportunity_id}:move.",
        )
    if task.kind == FIRST_RESPONSE:
        raise Refused(
            "A first response is an attempt to reach the lead, not a task to tick off.",
            kind="conflict",
            code="needs-contact",
            fix="Record the attempt: POST /v1/leads/{lead_id}:record-contact.",
        )
    if task.kind == CONFIRMATION:
        raise Refused(
            "Whether the lead qualifies is not ticked off but decided.",
            kind="conflict",
            code="needs-decision",
            fix="Qualify it: POST /v1/leads/{lead_id}:qualify; or cancel the task, if it does not.",
        )
    if task.kind == RECYCLE:
        raise Refused(
            "That the lead comes back is not ticked off.",
            kind="conflict",
            code="needs-decision",
            fix="Reopen it: POST /v1/leads/{lead_id}:reopen; or cancel the task to leave it archived.",
        )
    cause, how = _cause(act), told(following.unit, outcome)
    return [
        done(cause, task, how.outcome)._replace(aside=given(note=note, outcome=how.words)),
        *following.next_step(task, how.outcome, cause),
    ]


def decide_snooze(task: Task, act: Act, *, until: datetime) -> list[Draft]:
    """The task begins later and is due as much later. A promise to answer is not put off. Nothing is put off to when it may have
    been missed before, also by who tells of it late: one task is missed at one moment once."""
    _refuse_promise(task, "Putting off")
    if until <= act.known_at:
        raise _not_later("until")
    least = timedelta() if task.kind == RECYCLE else timedelta(minutes=1)
    window = max(task.due_at - task.starts_at, least)
    return [scheduled(_cause(act), task._replace(starts_at=until, due_at=until + window))]


def decide_cancel(task: Task, act: Act, *, note: str | None) -> list[Draft]:
    """The task need not be done; of a cadence nothing follows."""
    _refuse_promise(task, "Calling off")
    return [cancelled(_cause(act), task, BY_HAND)._replace(aside=given(note=note))]


def refuse_closed(status: str) -> Refused:
    """The task is not open any more."""
    return Refused(
        f"The task is {status}.",
        kind="conflict",
        code="task-closed",
        fix="Look at the lead's open tasks: GET /v1/tasks?lead_id=.",
        state=status,
    )


def _refuse_promise(task: Task, command: str) -> None:
    if task.kind == FIRST_RESPONSE:
        raise Refused(
            f"{command} a first response is not possible: it is what the policy promises the lead.",
            kind="conflict",
            code="promised",
            fix="Record an attempt to reach the lead, or put the lead aside.",
        )


def _cause(act: Act) -> Cause:
    return Cause(act.act_id, act.act_id, act.occurred_at, act.actor)


def _not_later(field: str) -> Refused:
    return Refused(
        f"{field} has passed.", kind="invalid", code="not-later", field=field, fix="Send a time that is still to come."
    )
