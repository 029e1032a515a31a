"""What pipeline publishes on `pipeline.visits.v1`: that visitors were there, each once a day and place, without saying who they are."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.envelope import Event, Moment


class VisitorSeen(Event):
    """Somebody was there on a `day` of the unit, and came by a channel, source and campaign: told of each visitor, day and place
    once, at the first moment known of it, and again where an earlier one is learned. `lead_id` is the visitor's, made of the keyed
    hash by which they are recognised; it is no lead's."""

    event: Literal["VisitorSeen"] = "VisitorSeen"
    day: date
    channel: str | None = None
    source: str | None = None
    campaign: str | None = None


class VisitorForgotten(Event):
    """What was told of a visitor up to `until` is to be nobody's: it stays counted, under an id that nobody can find out. `lead_id`
    is the visitor's. Of people who never visited it is told too."""

    event: Literal["VisitorForgotten"] = "VisitorForgotten"
    until: Moment


VisitEvents = Annotated[VisitorSeen | VisitorForgotten, Field(discriminator="event")]


def visitor_of(token: str) -> UUID:
    """A visitor's id, from the keyed hash of the id their browser has: the same in all events, and neither that hash nor a
    lead's id."""
    return UUID(bytes=blake2b(token.encode(), digest_size=16, person=b"leadflow-visit-1").digest(), version=5)
