"""What a lead did and what was taken back of it: an interaction that another one says never happened."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from services.pipeline.domain.due import REQUEST, Task
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.follow_up import answer_to
from shared.contracts.identity import derived_event_id

TAKEN_BACK = "taken back"
"""Why a task is called off that answers what nobody asked for."""


def touch_of(interaction: UUID) -> UUID:
    """The touch that an interaction is in its lead's story."""
    return derived_event_id(interaction, "LeadTouched")


def that_happened(touches: Iterable[Fact]) -> list[Fact]:
    """Touches without those that were taken back, and without those that say so."""
    told = list(touches)
    gone = {touch_of(UUID(fact.data["retracts"])) for fact in told if "retracts" in fact.data}
    return [fact for fact in told if "retracts" not in fact.data and fact.event_id not in gone]


def answers_nothing(story: Iterable[Fact], task: Task, retracted: UUID) -> bool:
    """Whether an open task answers nothing any more since an interaction was taken back: nothing else was asked for in the same words
    since it was due first. Of one that was begun anew, as after a merge, anything that was ever asked for so counts."""
    facts = list(story)
    asked = [fact for fact in facts if "moves" in fact.data and answer_to(fact.data["kind"]) == task.name]
    if task.kind != REQUEST or all(fact.event_id != touch_of(retracted) for fact in asked):
        return False
    named = str(task.task_id)
    due = [
        fact.occurred_at for fact in facts if fact.event == "FollowUpScheduled" and fact.data.get("task_id") == named
    ]
    first = min(due, default=None)
    since = first if any(fact.occurred_at == first for fact in asked) else None
    left = {fact.event_id for fact in that_happened(fact for fact in facts if fact.event == "LeadTouched")}
    return not any(fact.event_id in left and (since is None or fact.occurred_at >= since) for fact in asked)
