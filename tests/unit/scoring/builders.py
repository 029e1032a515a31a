"""Events and touches for scoring's tests: only what a test is about has to be named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.scoring.domain import Touch
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    LeadArchived,
    LeadMarked,
    LeadMerged,
    LeadTouched,
    LeadUnmerged,
    OpportunityOpened,
    OpportunityWon,
)
from shared.contracts.policy import Policy
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES, PIPELINE_LIFECYCLE
from shared.kit.records import Record

NAMESPACE = UUID("0a7c5b0e-9d3f-5f9e-8f1e-5a0a33a1b6a4")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

POLICY = Policy.model_validate(
    {
        "version": "test-1",
        "defaults": {
            "scoring": {
                "fit_at_most": 40,
                "engagement_at_most": 30,
                "fit": [
                    {"rule": "e-mail", "field": "email", "present": True, "points": 10},
                    {"rule": "phone", "field": "phone", "present": True, "points": 15},
                    {"rule": "boss", "field": "job_title", "contains": ["director", "vice president"], "points": 25},
                    {"rule": "referred", "field": "channel", "one_of": ["referral"], "points": 5},
                    {"rule": "large", "field": "attributes.employees", "at_least": 200, "points": 12},
                    {"rule": "student", "field": "job_title", "contains": ["student"], "points": -50},
                ],
                "engagement": [
                    {"rule": "demo", "kind": "demo_request", "points": 20},
                    {"rule": "visit", "kind": "page_view", "points": 4, "at_most": 3},
                    {"rule": "left", "kind": "unsubscribe", "points": -35},
                ],
                "grades": [
                    {"grade": "A", "at_least": 50},
                    {"grade": "B", "at_least": 20},
                    {"grade": "C", "at_least": 0},
                ],
            }
        },
    }
)
SCORING = POLICY.defaults.scoring


def an_id(name: object) -> UUID:
    """The same id for the same name."""
    return uuid5(NAMESPACE, str(name))


def at(minutes: float) -> datetime:
    """Noon and some minutes."""
    return NOON + timedelta(minutes=minutes)


def _envelope(lead: object, event: object, minutes: float) -> dict[str, Any]:
    return {
        "event_id": an_id(event),
        "lead_id": an_id(lead),
        "business_unit": "default",
        "occurred_at": at(minutes),
        "recorded_at": at(minutes),
        "correlation_id": an_id(("correlation", event)),
    }


def captured(lead: object = "lead", event: object = "capture", minutes: float = 0, **fields: Any) -> LeadCaptured:
    """A lead that came in through a web form, of whom nothing is known but what is named."""
    return LeadCaptured(**{**_envelope(lead, event, minutes), "sender": "web", "channel": "web_form", **fields})


def interacted(
    lead: object = "lead", event: object = "visit", minutes: float = 0, *, kind: str = "page_view", **fields: Any
) -> InteractionRecorded:
    """Something a lead did: looked at a page."""
    known = {**_envelope(lead, event, minutes), "sender": "web", "channel": "web_form", "kind": kind}
    return InteractionRecorded(**{**known, **fields})


def touched(interaction: InteractionRecorded, lead: object = "lead", version: int = 1) -> LeadTouched:
    """Pipeline found out whose an interaction is, and says so in that lead's story."""
    lead_id, cause = an_id(lead), interaction.event_id
    said = interaction.model_dump(include={"business_unit", "occurred_at", "recorded_at", "correlation_id", "kind"})
    return LeadTouched(
        **said,
        event_id=derived_event_id(cause, "LeadTouched"),
        lead_id=lead_id,
        causation_id=cause,
        version=version,
        recorded_under=interaction.lead_id if interaction.lead_id != lead_id else None,
    )


def merged(lead: object, into: object, version: int, minutes: float = 0, **fields: Any) -> LeadMerged:
    """Pipeline found out that a lead is another one."""
    envelope = _envelope(lead, ("merge", lead, version), minutes)
    return LeadMerged(**{**envelope, "version": version, "into_lead_id": an_id(into), "matched_on": "email", **fields})


def unmerged(lead: object, from_lead: object, version: int, minutes: float = 0) -> LeadUnmerged:
    """Somebody took a merge back."""
    envelope = _envelope(lead, ("unmerge", lead, version), minutes)
    return LeadUnmerged(**{**envelope, "version": version, "from_lead_id": an_id(from_lead)})


def a_touch(event: object = "capture", minutes: float = 0, **fields: Any) -> Touch:
    """A line of the ledger: the lead was captured."""
    return Touch(
        **{
            "lead_id": an_id("lead"),
            "event_id": an_id(event),
            "occurred_at": at(minutes),
            "channel": "web_form",
            **fields,
        }
    )


def a_visit(event: object, minutes: float = 0, kind: str = "page_view", **fields: Any) -> Touch:
    """A line of the ledger: the lead looked at a page."""
    return a_touch(event, minutes, kind=kind, **fields)


def days(number: float) -> float:
    """Days in minutes."""
    return number * 24 * 60


def recorded(event: Event, offset: int = 0) -> Record:
    """An event as a record of its topic."""
    topic = PIPELINE_LIFECYCLE if hasattr(event, "version") else CAPTURE_LEADS
    if isinstance(event, ErasureOrdered):
        topic = PIPELINE_ERASURES
    value = event.to_json()
    key = str(event.lead_id).encode()
    return Record(topic.name, 0, offset, key, value, (), event.recorded_at, topic.parse(value))


def _lifecycle(event: type[Event], lead: object, name: object, minutes: float, version: int, **fields: Any) -> Any:
    return event(**{**_envelope(lead, name, minutes), "version": version, **fields})


def opened(lead: object = "lead", minutes: float = 60, deal: str = "deal", **fields: Any) -> OpportunityOpened:
    """A deal began."""
    name = ("opened", lead, deal)
    event: OpportunityOpened = _lifecycle(OpportunityOpened, lead, name, minutes, 5, opportunity_id=deal, **fields)
    return event


def won(lead: object = "lead", minutes: float = 120, deal: str = "deal", **fields: Any) -> OpportunityWon:
    """A deal was won."""
    name = ("won", lead, deal)
    event: OpportunityWon = _lifecycle(OpportunityWon, lead, name, minutes, 6, opportunity_id=deal, **fields)
    return event


def archived(lead: object = "lead", minutes: float = 60, **fields: Any) -> LeadArchived:
    """The lead was put aside."""
    event: LeadArchived = _lifecycle(LeadArchived, lead, ("archived", lead), minutes, 5, reason="other", **fields)
    return event


def attempted(lead: object = "lead", minutes: float = 30, **fields: Any) -> ContactAttempted:
    """Somebody of ours tried to reach the lead."""
    known = {"kind": "call", **fields}
    event: ContactAttempted = _lifecycle(ContactAttempted, lead, ("attempted", lead, minutes), minutes, 4, **known)
    return event


def marked(mark: str | None, version: int, lead: object = "lead", minutes: float = 30) -> LeadMarked:
    """Somebody said what a lead is: a test, spam, or real."""
    event: LeadMarked = _lifecycle(LeadMarked, lead, ("marked", lead, version), minutes, version, mark=mark)
    return event
