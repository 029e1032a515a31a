"""Outgoing webhooks: who hears what, what they are told, and what becomes of a delivery by how it was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from shared.contracts.lifecycle_events import LifecycleEvents

KINDS: tuple[str, ...] = tuple(sorted(kind.__name__ for kind in get_args(get_args(LifecycleEvents)[0])))
"""Everything an endpoint can ask for."""

OF_EACH_ID = frozenset({"LeadMarked", "PersonalDataErased"})
"""Recorded in the story of each id of a person under one event id: whoever tells deliveries apart by their id hears each."""

MOST = 50
"""So many endpoints a business unit may have: each costs something of every event."""

RESTS_FROM = 5
"""From so many failures in a row on an endpoint is asked with one delivery at a time, and waited for in between."""

LONGEST_REST = timedelta(minutes=10)
LONGEST_ASKED_FOR = timedelta(days=1)

Outcome = Literal["delivered", "failed", "dead", "gone"]


class Key(NamedTuple):
    """A delivery: an entry of a lead's story, for an endpoint."""

    endpoint_id: UUID
    lead_id: UUID
    version: int


class Answer(NamedTuple):
    """How a delivery was answered: with a status, or with none and why."""

    status: int | None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it. A redirect is no answer: it could lead anywhere."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a delivery. `next_at` where it is tried again; until `rest_until` nothing is sent to its endpoint."""

    outcome: Outcome
    next_at: datetime | None = None
    rest_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is tried first, second, … waits before it is tried again, and when an endpoint is given up."""

    schedule: tuple[timedelta, ...]
    give_up_after: timedelta


def wants(endpoint: Any, said: Mapping[str, Any]) -> bool:
    """Whether an endpoint asked for an event as the log has it."""
    if said["business_unit"] != endpoint.business_unit or (said.get("historical") and not endpoint.historical):
        return False
    return not endpoint.events or said["event"] in endpoint.events


def message_id(event: str, event_id: UUID, lead_id: UUID) -> str:
    """Under which id a delivery is known to its receiver, however often it is made: that of the event."""
    return f"{event_id}:{lead_id}" if event in OF_EACH_ID else str(event_id)


def message(event: Mapping[str, Any], root_id: UUID, person: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a receiver is told: the event as it travels, and under which id the lead is known now. Who it is only where the
    endpoint was declared to be told."""
    data = {**event, "canonical_lead_id": root_id}
    if person is not None:
        data["person"] = dict(person)
    return {"type": event["event"], "timestamp": event["occurred_at"], "data": data}


def settle(
    answer: Answer, *, attempts: int, failures: int, now: datetime, patience: Patience, chance: float
) -> Settled:
    """What becomes of a delivery that was tried `attempts` times, of an endpoint that failed `failures` times in a row, this
    time among them. `chance`, 0 to 1, spreads those that failed together."""
    if answer.is_taken:
        return Settled("delivered")
    if answer.status == 410:
        return Settled("gone", rest_until=now)
    asked = min(answer.retry_after, LONGEST_ASKED_FOR) if answer.retry_after is not None else None
    rest_until = now + asked if asked is not None else None
    if failures >= RESTS_FROM:
        rest = min(timedelta(seconds=2 ** min(failures - RESTS_FROM, 20)), LONGEST_REST) * (0.75 + chance / 2)
        rest_until = max(now + rest, rest_until or now)
    if attempts > len(patience.schedule):
        return Settled("dead", rest_until=rest_until)
    wait = patience.schedule[attempts - 1] * (0.75 + chance / 2)
    return Settled("failed", max(now + wait, rest_until or now), rest_until)


def is_given_up(failing_since: datetime | None, now: datetime, patience: Patience) -> bool:
    """Whether an endpoint has failed for so long, and not succeeded once, that nothing is sent to it any more."""
    return failing_since is not None and now - failing_since >= patience.give_up_after


def live_salts(secrets: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """By which secrets deliveries are signed now: the newest, and the one before it until its time is over."""
    return [
        one["salt"]
        for one in secrets
        if one.get("expires_at") is None or datetime.fromisoformat(one["expires_at"]) > now
    ]
