"""What pipeline publishes of what people do beside reaching out, and how long reaching out may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import LifecycleEvent

LONGEST_SECONDS = 86_400
"""No call and no meeting is longer than a day."""

Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]


class NoteAdded(LifecycleEvent):
    """Somebody, the `actor`, wrote a note on the lead. What it says does not travel."""

    event: Literal["NoteAdded"] = "NoteAdded"
