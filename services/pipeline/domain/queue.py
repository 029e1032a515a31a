"""What somebody should do next, and why: what is late first, then what begins to be; the best lead first among equals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.due import Task

SOON = timedelta(hours=1)

LATE, DUE_SOON, OPEN, LATER = range(4)

WORDS = ("late", "due within the hour", "open", "begins later")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lead that somebody could work on, with what of it is due for them."""

    lead_id: UUID
    since: datetime
    grade: str | None
    score: int | None
    probability: float | None
    tasks: Sequence[Task]


class Place(NamedTuple):
    """Where a lead stands in a queue. `due_at` is that of its most pressing task."""

    candidate: Candidate
    urgency: int
    due_at: datetime | None
    why: tuple[str, ...]


def in_turn(candidates: Iterable[Candidate], now: datetime) -> list[Place]:
    """Everything there is to do, best first."""
    places = [_place(one, now) for one in candidates]
    return sorted(places, key=_order)


def urgency(task: Task, now: datetime) -> int:
    """How pressing a task is."""
    if task.due_at <= now:
        return LATE
    if task.starts_at > now:
        return LATER
    return DUE_SOON if task.due_at <= now + SOON else OPEN


def _place(one: Candidate, now: datetime) -> Place:
    ranked = sorted((urgency(task, now), task.due_at, task.name, task) for task in one.tasks)
    why: list[str] = []
    how, due_at = OPEN, None
    if ranked:
        how, due_at, name, _ = ranked[0]
        why.append(f"{name}: {WORDS[how]}, {_span(due_at - now)}")
    if one.grade is not None:
        likely = f", {one.probability:.0%} likely" if one.probability is not None else ""
        why.append(f"grade {one.grade}, score {one.score}{likely}")
    why.append(f"waits for {_length(now - one.since)}")
    return Place(one, how, due_at, tuple(why))


def _order(place: Place) -> tuple[int, int, float, float, float, UUID]:
    one = place.candidate
    return (
        place.urgency,
        -(one.score if one.score is not None else -1),
        -(one.probability or 0.0),
        place.due_at.timestamp() if place.due_at is not None else float("inf"),
        one.since.timestamp(),
        one.lead_id,
    )


def _span(left: timedelta) -> str:
    return f"due in {_length(left)}" if left > timedelta() else f"since {_length(-left)}"


def _length(time: timedelta) -> str:
    minutes = max(int(time.total_seconds()) // 60, 0)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"
