"""Every topic, declared once: its publisher, its events, how long it keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from shared.contracts.capture_events import CaptureEvents
from shared.contracts.envelope import Event
from shared.contracts.lifecycle_events import LifecycleEvents
from shared.contracts.scoring_events import ScoringEvents


@dataclass(frozen=True)
class Topic:
    """A stream of one publisher's facts, keyed by lead id. `retention` None keeps them for ever."""

    name: str
    publisher: str
    events: TypeAdapter[Any]
    retention: timedelta | None

    def parse(self, value: bytes) -> Event:
        """One record's event. Raises `pydantic.ValidationError` when the bytes are not an event of this topic."""
        event: Event = self.events.validate_json(value)
        return event


CAPTURE_LEADS = Topic("capture.leads.v1", "capture", TypeAdapter(CaptureEvents), timedelta(days=30))
SCORING_SCORES = Topic("scoring.scores.v1", "scoring", TypeAdapter(ScoringEvents), timedelta(days=30))
PIPELINE_LIFECYCLE = Topic("pipeline.lifecycle.v1", "pipeline", TypeAdapter(LifecycleEvents), None)

TOPICS = {topic.name: topic for topic in (CAPTURE_LEADS, SCORING_SCORES, PIPELINE_LIFECYCLE)}
