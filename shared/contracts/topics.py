"""Every topic, declared once: its publisher, its events, how long it keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from shared.contracts.capture_events import CaptureEvents
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureEvents
from shared.contracts.lifecycle_events import LifecycleEvents
from shared.contracts.quarantine_events import QuarantineEvents
from shared.contracts.scoring_events import ScoringEvents
from shared.contracts.visit_events import VisitEvents


def _no_number(word: str) -> object:
    fault = InitErrorDetails(type=PydanticCustomError("json_invalid", "a word that is no JSON number"), input=word)
    raise ValidationError.from_exception_data("event", [fault])


_PUBLISHED = re.compile(rb'\{"event":"(\w+)",')


@dataclass(frozen=True, slots=True)
class Unread:
    """An event of a kind that its reader knows and has no use for, so that only the name was read."""

    event: str


@dataclass(frozen=True)
class Topic:
    """A stream of one publisher's facts, keyed by lead id. `retention` None keeps them for ever."""

    name: str
    publisher: str
    events: TypeAdapter[Any]
    retention: timedelta | None

    def parse(self, value: bytes) -> Event:
        """One record's event. Raises `pydantic.ValidationError` when the bytes are not an event of this topic."""
        if (b"N" in value and b"NaN" in value) or (b"I" in value and b"Infinity" in value):
            # The parser would take these words for numbers. What is no JSON otherwise it tells better itself.
            with suppress(json.JSONDecodeError, UnicodeDecodeError, RecursionError):
                json.loads(value, parse_constant=_no_number)
        event: Event = self.events.validator.validate_json(value)
        return event

    def parse_only(self, *wanted: type[Event]) -> Callable[[bytes], Event | Unread]:
        """A parser for a reader that uses few of a topic's kinds of event. What a publisher writes of the others is
        recognised by how it begins; whatever looks unusual is parsed like anything else."""
        kinds = self.events.core_schema.get("choices", {}).keys() - {kind.__name__ for kind in wanted}
        unread = {str(kind).encode(): Unread(str(kind)) for kind in kinds}

        def parse(value: bytes) -> Event | Unread:
            begins = _PUBLISHED.match(value)
            skipped = unread.get(begins.group(1)) if begins else None
            if skipped is not None and b'"schema_version":1,' in value:
                return skipped
            return self.parse(value)

        return parse


_HARDLY_TWICE = ConfigDict(cache_strings="keys")
"""Of the words of events hardly any comes again soon: only the names of fields are worth looking for among those that were read."""

CAPTURE_LEADS = Topic(
    "capture.leads.v1", "capture", TypeAdapter(CaptureEvents, config=_HARDLY_TWICE), timedelta(days=30)
)
CAPTURE_QUARANTINE = Topic("capture.quarantine.v1", "capture", TypeAdapter(QuarantineEvents), None)
SCORING_SCORES = Topic("scoring.scores.v1", "scoring", TypeAdapter(ScoringEvents), timedelta(days=30))
PIPELINE_LIFECYCLE = Topic(
    "pipeline.lifecycle.v1", "pipeline", TypeAdapter(LifecycleEvents, config=_HARDLY_TWICE), None
)
PIPELINE_ERASURES = Topic("pipeline.erasures.v1", "pipeline", TypeAdapter(ErasureEvents), None)
PIPELINE_VISITS = Topic("pipeline.visits.v1", "pipeline", TypeAdapter(VisitEvents), None)

TOPICS = {
    topic.name: topic
    for topic in (
        CAPTURE_LEADS,
        CAPTURE_QUARANTINE,
        SCORING_SCORES,
        PIPELINE_LIFECYCLE,
        PIPELINE_ERASURES,
        PIPELINE_VISITS,
    )
}
