"""What capture publishes on `capture.quarantine.v1`: that something could not be taken in, and what became of it, never what it said."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.envelope import Event, Name

NO_UNIT = "unknown"
"""The unit of what was sent where that could not be understood."""

Outcome = Literal["released", "dropped", "expired", "erased"]
"""What becomes of it: taken in after all, given up by somebody, given up with time, or forgotten with whom it named."""


class PayloadQuarantined(Event):
    """What a known sender sent could not be taken in, and is kept to be mended: told once, however often it is sent again, and
    anew where it is sent after it was given up. `lead_id` is an id of its own, made by chance, since the entry's is made of what
    was sent; it is no lead's."""

    event: Literal["PayloadQuarantined"] = "PayloadQuarantined"
    sender: Name
    kind: Name
    reason: Name
    channel: str | None = None


class QuarantineSettled(Event):
    """Something that could not be taken in is no longer waited for. `became` is the event that it is now, where it was released:
    that may follow upon another outcome, and holds."""

    event: Literal["QuarantineSettled"] = "QuarantineSettled"
    outcome: Outcome
    became: UUID | None = None


QuarantineEvents = Annotated[PayloadQuarantined | QuarantineSettled, Field(discriminator="event")]
