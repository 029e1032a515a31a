"""Who was there, by what the events of a batch say: visitors, each once a day and place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.identity import derived_event_id
from shared.contracts.visit_events import VisitorSeen, visitor_of

BOT = "bot"
"""The flag of what no person did."""


class Place(NamedTuple):
    """A visitor on one day, by one way."""

    visitor: UUID
    day: date
    channel: str
    source: str
    campaign: str

    @property
    def way(self) -> UUID:
        """Stands for how they came, however many words that has."""
        return derived_event_id(self.visitor, "\x1f".join(("way", self.channel, self.source, self.campaign)))


class Visit(NamedTuple):
    """The first moment of a visitor in a place, and the event that told of it."""

    at: datetime
    cause: LeadCaptured | InteractionRecorded


def visits_of(
    events: Iterable[LeadCaptured | InteractionRecorded], zone_of: Callable[[str], ZoneInfo]
) -> dict[Place, Visit]:
    """Everybody who was there: with a visitor's id, whether anybody is known by it or not. Tests, spam and machines are nobody, and
    who takes an interaction back was not there."""
    found: dict[Place, Visit] = {}
    for event in events:
        if isinstance(event, InteractionRecorded) and event.retracts is not None:
            continue
        for one in event.identities:
            if one.kind == "visitor" and event.mark is None and BOT not in event.flags:
                day = event.occurred_at.astimezone(zone_of(event.business_unit)).date()
                place = Place(visitor_of(one.token), day, event.channel, event.source or "", event.campaign or "")
                known = found.get(place)
                if known is None or event.occurred_at < known.at:
                    found[place] = Visit(event.occurred_at, event)
    return found


def seen(place: Place, visit: Visit, now: datetime) -> VisitorSeen:
    """That somebody was there, as it is told. Told of the same moment again it is the same event."""
    cause = visit.cause
    what = "\x1f".join(("VisitorSeen", *map(str, place), visit.at.isoformat()))
    return VisitorSeen(
        event_id=derived_event_id(place.visitor, what),
        lead_id=place.visitor,
        business_unit=cause.business_unit,
        occurred_at=visit.at,
        recorded_at=now,
        correlation_id=cause.correlation_id,
        historical=cause.historical,
        day=place.day,
        channel=place.channel or None,
        source=place.source or None,
        campaign=place.campaign or None,
    )
