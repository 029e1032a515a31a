"""What is due for two leads that turned out to be one person is due once, to whoever has them; and begins again where that is taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.due import (
    CONFIRMATION,
    FIRST_RESPONSE,
    RECYCLE,
    REQUEST,
    RETURN,
    Cause,
    Task,
    cancelled,
    done,
    due_anew,
    scheduled,
    task_from,
    told_again,
)
from services.pipeline.domain.facts import Draft, Fact, in_order
from services.pipeline.domain.follow_up import ended, needless
from services.pipeline.domain.state import LeadState
from shared.contracts.identity import derived_event_id

MERGED = "merged"
"""Why a task is called off that the person has twice, or done since the other one had been answered."""

_ONCE = frozenset((FIRST_RESPONSE, "step", CONFIRMATION, RECYCLE, RETURN))
_BY_NAME = frozenset((REQUEST, "escalation"))
_WITH_THE_LEAD = frozenset((FIRST_RESPONSE, "step", CONFIRMATION, REQUEST, RETURN))
"""What belongs to whoever has the lead. A person's own task, and one of a deal, is whose it is."""


def settled(state: LeadState, tasks: Sequence[Task], causes: Mapping[UUID, Cause]) -> list[tuple[UUID, Draft]]:
    """What becomes of the open tasks of people who are one since, each with the lead in whose story it stands. `causes` are the merges, by
    the ids that each brought under another."""
    first = next(iter(causes.values()))
    follows: list[tuple[UUID, Draft]] = []
    left: list[Task] = []
    for task in tasks:
        cause = causes.get(task.lead_id, first)
        if (reason := needless(state, task)) is not None:
            follows.append((task.lead_id, ended(cause, task, reason)))
        elif task.kind == FIRST_RESPONSE and state.first_response_at is not None:
            follows.append((task.lead_id, done(cause, task, reason=MERGED)))
        else:
            left.append(task)
    stays = {_slot(task): task for task in sorted(left, key=lambda task: _rank(task, causes), reverse=True)}
    for task in left:
        cause = causes.get(task.lead_id, first)
        if stays[_slot(task)] is not task:
            follows.append((task.lead_id, cancelled(cause, task, MERGED)))
        else:
            follows += _handed_over(state, task, cause)
    return follows


class Person(NamedTuple):
    """One of two who were parted, as they are now, by each of their ids. `lead_id` is the one that they are known by."""

    lead_id: UUID
    ids: Collection[UUID]
    state: LeadState


class _Story:
    """What became of a task, by its place among the facts."""

    def __init__(self, task: Task, begun: int) -> None:
        self.task = task
        self.begun = begun
        self.ended: int | None = None
        self.ended_at: datetime | None = None
        self.by_merge = False
        self.done = False


def resumed(
    facts: Iterable[Fact],
    merges: Collection[UUID],
    people: Sequence[Person],
    tasks: Collection[Task],
    cause: Cause,
    policy_version: str,
) -> list[tuple[UUID, Draft]]:
    """What merges ended for each of two people who were parted is due again if they need it and nothing stands for it, with as much
    time as was left; so is a promise to answer them that only an attempt to reach the other has kept. By which merge does not matter: what was in the way may have come with another. `facts` are those of both,
    `merges` all that ever brought somebody to them, `tasks` what is due."""
    told = _stories(facts, merges)
    follows: list[tuple[UUID, Draft]] = []
    for person in people:
        theirs = [one for one in told if one.task.lead_id in person.ids]
        taken = {_slot(task) for task in tasks if task.lead_id in person.ids}
        due = [
            one
            for one in theirs
            if (one.by_merge or _met_by_another(person.state, one))
            and _slot(one.task) not in taken
            and _is_needed(person.state, one.task)
            and not any(_stands_for(other, one) for other in theirs)
        ]
        joined = set(person.ids) - {person.lead_id}
        best = {_slot(one.task): one for one in sorted(due, key=lambda one: _rank(one.task, joined), reverse=True)}
        for one in sorted(best.values(), key=lambda one: one.task.task_id.int):
            owner = person.state.assigned.owner if person.state.assigned is not None else one.task.owner
            waited = max(cause.occurred_at - (one.ended_at or cause.occurred_at), timedelta())
            again = due_anew(one.task, cause, waited)._replace(owner=owner)
            follows.append((one.task.lead_id, scheduled(cause, again, policy_version)))
    return follows


def _stories(facts: Iterable[Fact], merges: Collection[UUID]) -> list[_Story]:
    told: dict[str, _Story] = {}
    for place, fact in enumerate(in_order(facts)):
        name = str(fact.data.get("task_id"))
        story = told.get(name)
        if fact.event == "FollowUpScheduled":
            if story is None:
                told[name] = _Story(task_from(fact.lead_id, fact.data), place)
            else:
                story.task = told_again(story.task, fact)
        elif story is None:
            continue
        elif fact.event == "FollowUpMissed":
            story.task = story.task._replace(missed=True)
        elif fact.event in ("FollowUpDone", "FollowUpCancelled"):
            story.ended, story.ended_at = place, fact.occurred_at
            story.done = fact.event == "FollowUpDone"
            ends = (derived_event_id(merge, f"{fact.event}:{name}") for merge in merges)
            story.by_merge = fact.data.get("reason") == MERGED or fact.event_id in ends
    return list(told.values())


def _met_by_another(state: LeadState, one: _Story) -> bool:
    """Whether a promise to answer was kept by an attempt that is another's now: to this person nobody has spoken."""
    return one.task.kind == FIRST_RESPONSE and one.done and state.first_response_at is None


def _is_needed(state: LeadState, task: Task) -> bool:
    met = task.kind == FIRST_RESPONSE and state.first_response_at is not None
    return not met and not state.is_erased and needless(state, task) is None


def _stands_for(other: _Story, one: _Story) -> bool:
    """Whether a person had another task instead of one that a merge ended: one that was begun since, or went on to its own end."""
    if one.ended is None or _line(other.task) != _line(one.task):
        return False
    went_on = other.ended is not None and other.ended > one.ended and not other.by_merge
    return other.begun > one.ended or went_on


def _line(task: Task) -> tuple[str, ...]:
    """What two tasks share of which the later may stand for the earlier."""
    if task.kind in _ONCE or task.kind in _BY_NAME:
        return _slot(task)
    return task.kind, task.name, str(task.lead_id), str(task.opportunity_id), str(task.order_id)


def handed_back(state: LeadState, tasks: Iterable[Task], cause: Cause) -> list[tuple[UUID, Draft]]:
    """What is still due for those who were parted is due to whoever has them."""
    return [one for task in tasks for one in _handed_over(state, task, cause)]


def _handed_over(state: LeadState, task: Task, cause: Cause) -> list[tuple[UUID, Draft]]:
    owner = state.assigned.owner if state.assigned is not None else task.owner
    if owner == task.owner or task.kind not in _WITH_THE_LEAD:
        return []
    return [(task.lead_id, scheduled(cause, task._replace(owner=owner)))]


def _slot(task: Task) -> tuple[str, str]:
    """What a person has once at most."""
    if task.kind in _ONCE:
        return task.kind, ""
    return (task.kind, task.name) if task.kind in _BY_NAME else (task.kind, str(task.task_id))


def _rank(task: Task, joined: Collection[UUID]) -> tuple[int, float, bool, int]:
    """Which of two of a slot stays, the least: of steps the one that is further on, of others the one that was due first, and of two
    alike that of whoever was there before."""
    return -(task.step or 0), task.due_at.timestamp(), task.lead_id in joined, task.task_id.int
