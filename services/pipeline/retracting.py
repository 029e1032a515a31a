"""Sees to what becomes of requests that are taken back."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from services.pipeline.arrivals import Work
from services.pipeline.domain.due import Cause, cancelled
from services.pipeline.domain.taken_back import TAKEN_BACK, answers_nothing
from shared.contracts.capture_events import InteractionRecorded
from shared.contracts.envelope import Event


def leads_of(work: Work, events: Iterable[Event]) -> set[UUID]:
    """The known leads of whom something is taken back: what becomes of that is in their stories."""
    found: set[UUID] = set()
    for event in events:
        if isinstance(event, InteractionRecorded) and event.retracts is not None:
            known = event.lead_id if event.lead_id in work.ledger else None
            lead_id = known or work.lead_for([one.token for one in event.identities])
            if lead_id is not None:
                found.add(lead_id)
    return found


def told_of(work: Work, events: Iterable[Event]) -> tuple[set[UUID], list[UUID]]:
    """All ids of the known people of whom interactions are told, and the interactions: what takes one back may have come before it."""
    ids: set[UUID] = set()
    interactions: list[UUID] = []
    for event in events:
        if isinstance(event, InteractionRecorded) and event.retracts is None:
            known = event.lead_id if event.lead_id in work.ledger else None
            lead_id = known or work.lead_for([one.token for one in event.identities])
            if lead_id is not None:
                ids |= {one.lead_id for one in work.ledger.group(lead_id)}
                interactions.append(event.event_id)
    return ids, interactions


def take_back(work: Work, lead_id: UUID, event: InteractionRecorded) -> None:
    """Nobody has to answer any more what turns out not to have been asked for."""
    members = {one.lead_id for one in work.ledger.group(lead_id)}
    theirs = [task for (owner, _), task in work.unanswered.items() if owner in members]
    if event.retracts is None or not theirs or any(one.facts is None for one in work.ledger.group(lead_id)):
        return
    cause = Cause(event.event_id, event.correlation_id, event.occurred_at)
    for task in theirs:
        if answers_nothing(work.ledger.facts(lead_id), task, event.retracts):
            gone = cancelled(cause, task, TAKEN_BACK)
            work.ledger.record(work.ledger.story_of(lead_id, gone), gone)
            del work.unanswered[task.lead_id, task.name]
