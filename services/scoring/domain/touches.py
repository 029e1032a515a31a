"""What scoring keeps of an event, and what of it counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.policy import Policy

LONGEST_TEXT = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Touch(NamedTuple):
    """One thing a lead did, reduced to what rules need. `kind` is None where the lead itself was captured. Whether an
    e-mail address, a number and a company are known is kept; what they are is not. A touch that `retracts` another says
    that the other never happened, and counts for nothing itself."""

    lead_id: UUID
    event_id: UUID
    occurred_at: datetime
    channel: str
    kind: str | None = None
    email: bool = False
    phone: bool = False
    company: bool = False
    job_title: str | None = None
    country: str | None = None
    language: str | None = None
    source: str | None = None
    product: str | None = None
    campaign: str | None = None
    consents: Mapping[str, bool] | None = None
    attributes: Mapping[str, Any] | None = None
    value: str | None = None
    direction: str | None = None
    outcome: str | None = None
    duration_seconds: float | None = None
    retracts: UUID | None = None


def stored_attributes(policy: Policy) -> frozenset[str]:
    """The names of the attributes that any unit's rules look at, or that it keeps; no other attribute enters the ledger."""
    units = (policy.defaults, *policy.business_units.values())
    return frozenset[str]().union(*(unit.scoring.stored_attributes() for unit in units))


def touch(event: LeadCaptured | InteractionRecorded, attributes: Collection[str]) -> Touch:
    """A captured event as the ledger keeps it, with only the named attributes and without personal data."""
    if isinstance(event, InteractionRecorded):
        return Touch(
            event.lead_id,
            event.event_id,
            event.occurred_at,
            event.channel,
            kind=event.kind,
            source=_short(event.source),
            product=_short(event.product),
            campaign=_short(event.campaign),
            attributes=_scalars(event.attributes, attributes) if event.attributes else None,
            value=_place(event.value),
            direction=_short(event.direction),
            outcome=_short(event.outcome),
            duration_seconds=event.duration_seconds,
            retracts=event.retracts,
        )
    personal = event.personal
    kinds = {identity.kind for identity in event.identities}
    return Touch(
        event.lead_id,
        event.event_id,
        event.occurred_at,
        event.channel,
        email="email" in kinds or (personal is not None and bool(personal.email)),
        phone="phone" in kinds or (personal is not None and bool(personal.phone)),
        company=bool(event.company),
        job_title=_short(event.job_title),
        country=_short(event.country),
        language=_short(event.language),
        source=_short(event.source),
        product=_short(event.product),
        campaign=_short(event.campaign),
        consents={consent.purpose: consent.granted for consent in event.consents} or None,
        attributes=_scalars(event.attributes, attributes) if event.attributes else None,
    )


def known_at(touches: Iterable[Touch], as_of: datetime) -> list[Touch]:
    """What had happened by then."""
    return [one for one in touches if one.occurred_at <= as_of]


def in_order(one: Touch) -> tuple[datetime, UUID, UUID]:
    """The order of a ledger, whatever order it came in."""
    return one.occurred_at, one.event_id, one.lead_id


def day_of(moment: datetime) -> int:
    """The day of a moment, in UTC, counted from 1970."""
    return (moment - EPOCH).days


def _short(text: str | None) -> str | None:
    return text[:LONGEST_TEXT] if text else None


def _place(value: str | None) -> str | None:
    """A value; of a page's address only which page it is, since what follows may tell who somebody is."""
    if value and (value.startswith("/") or "://" in value):
        value = value.partition("?")[0].partition("#")[0]
    return _short(value)


def _scalars(sent: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any] | None:
    kept = {}
    for name in wanted:
        value = sent.get(name)
        if isinstance(value, str):
            value = _short(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = None
        if isinstance(value, bool | int | float | str):
            kept[name] = value
    return kept or None
