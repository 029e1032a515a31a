"""Events and facts for tests: name only what matters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from shared.contracts.capture_events import Identity, IdentityKind, InteractionRecorded, LeadCaptured, Personal
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.identity import identity, lead_id_from
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES, SCORING_SCORES
from shared.kit.records import Record

SECRET = b"a secret of the tests"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "version": "test-1",
        "defaults": {
            "time_zone": "Europe/Amsterdam",
            "qualification": {"automatic": True, "min_score": 40},
            "archive_reasons": ["no budget", "other"],
            "loss_reasons": ["price", "other"],
            "pipelines": {
                "default": [{"name": "discovery", "probability": 0.2}, {"name": "proposal", "probability": 0.5}]
            },
        },
    }
)

_ids: Iterator[int] = count(1)


def an_id() -> UUID:
    """The next id of a counter."""
    return UUID(int=next(_ids) + (0x7000 << 64))


def at(minutes: float) -> datetime:
    """So many minutes after the beginning of the tests' time."""
    return START + timedelta(minutes=minutes)


def identities(unit: str = "default", **values: str | None) -> tuple[Identity, ...]:
    """`identities(email="a@x.example", phone="+31…")`, strongest first."""
    kinds: tuple[IdentityKind, ...] = ("email", "phone", "external", "visitor")
    return tuple(identity(SECRET, unit, kind, value) for kind in kinds if (value := values.get(kind)) is not None)


def _about(email: str | None, phone: str | None, visitor: str | None, values: dict[str, Any]) -> dict[str, Any]:
    event_id = values.pop("event_id", None) or an_id()
    who = identities(values.get("business_unit", "default"), email=email, phone=phone, visitor=visitor)
    occurred_at = values.pop("occurred_at", START)
    return {
        "event_id": event_id,
        "lead_id": values.pop("lead_id", None) or lead_id_from(who, event_id),
        "business_unit": "default",
        "occurred_at": occurred_at,
        "recorded_at": occurred_at,
        "correlation_id": event_id,
        "sender": "tests",
        "channel": "web_form",
        "identities": who,
        **values,
    }


def a_lead(
    email: str | None = None, phone: str | None = None, visitor: str | None = None, **values: Any
) -> LeadCaptured:
    """A captured lead."""
    about = _about(email, phone, visitor, values)
    personal = Personal(email=email, phone=phone, name=about.pop("name", None))
    return LeadCaptured(**about, personal=personal)


def an_interaction(
    email: str | None = None,
    phone: str | None = None,
    visitor: str | None = None,
    kind: str = "page_view",
    **values: Any,
) -> InteractionRecorded:
    """Something somebody did."""
    return InteractionRecorded(kind=kind, **_about(email, phone, visitor, values))


def a_score(lead_id: UUID, score: int = 50, grade: str = "B", **values: Any) -> LeadScored:
    """Scoring's verdict on a lead."""
    event_id = values.pop("event_id", None) or an_id()
    occurred_at = values.pop("occurred_at", START)
    return LeadScored(
        event_id=event_id,
        lead_id=lead_id,
        business_unit=values.pop("business_unit", "default"),
        occurred_at=occurred_at,
        recorded_at=occurred_at,
        correlation_id=event_id,
        score=score,
        grade=grade,
        fit=score,
        engagement=0,
        reasons=(),
        policy_version="test-1",
        **values,
    )


def recorded(event: Event, offset: int = 0) -> Record:
    """The event as a record of its topic."""
    topic = (
        PIPELINE_ERASURES
        if isinstance(event, ErasureOrdered)
        else SCORING_SCORES
        if isinstance(event, LeadScored)
        else CAPTURE_LEADS
    )
    value = event.to_json()
    return Record(topic.name, 0, offset, str(event.lead_id).encode(), value, (), event.recorded_at, topic.parse(value))
