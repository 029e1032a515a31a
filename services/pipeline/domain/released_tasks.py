"""What a mark had called off is due again once the mark is taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from services.pipeline.domain.due import (
    CONFIRMATION,
    FIRST_RESPONSE,
    Cause,
    Task,
    due_anew,
    scheduled,
    task_from,
    told_again,
)
from services.pipeline.domain.facts import Draft, Fact, in_order
from services.pipeline.domain.follow_up import needless
from services.pipeline.domain.state import LeadState
from shared.contracts.marks import Mark


def due_again(facts: Iterable[Fact], state: LeadState, cause: Cause, policy_version: str) -> list[Draft]:
    """As if there had been no mark: at the same times, which may have passed. What was missed before has as much time as it had at
    first, since nothing is missed twice at one moment. `cause` is the release, which may be on record already."""
    due: dict[str, Task] = {}
    asked: dict[str, dict[str, str]] = {}
    called_off: set[str] = set()
    for fact in in_order(facts):
        name = str(fact.data.get("task_id"))
        match fact.event:
            case "FollowUpScheduled":
                due[name] = told_again(due[name], fact) if name in due else task_from(fact.lead_id, fact.data)
                asked.setdefault(name, {one: fact.data[one] for one in ("rule", "reason") if one in fact.data})
                called_off.discard(name)
            case "FollowUpMissed" if name in due:
                due[name] = due[name]._replace(missed=True)
            case "FollowUpCancelled" if name in due and fact.data.get("reason") in get_args(Mark):
                called_off.add(name)
            case "LeadMarked" if "mark" not in fact.data and fact.event_id != cause.event_id:
                called_off.clear()  # it was released before, and what was due then begun again
            case _:
                pass
    drafts: list[Draft] = []
    for name in sorted(called_off):
        task = due[name]
        met = task.kind == FIRST_RESPONSE and state.first_response_at is not None
        if met or state.is_erased or needless(state, task) is not None:
            continue
        draft = scheduled(cause, due_anew(task, cause), policy_version)
        more = asked[name] if task.kind == CONFIRMATION else {}
        drafts.append(draft._replace(data={**draft.data, **more}))
    return drafts
