"""What scoring keeps of an event, and what of it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.scoring.domain.keeping import Keeping
from services.scoring.domain.outcomes import learned_at
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.marks import Mark
from shared.contracts.policy import Policy
from shared.contracts.policy.learning import Learning

LONGEST_TEXT = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Touch(NamedTuple):
    """One thing a lead did, reduced to what rules and models need. `kind` is None where the lead itself was captured.
    Whether an e-mail address, a number and a company are known is kept; what they are is not. A touch that `retracts`
    another says that the other never happened, and counts for nothing itself; one under a `mark` counts only where somebody
    said that the mark was a mistake. `known_at` is when we learned of it; a ledger that is read to be scored leaves that
    and `historical` out, since everything in it is known."""

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
    medium: str | None = None
    known_at: datetime | None = None
    historical: bool = False
    mark: Mark | None = None

    def as_read(self) -> Touch:
        """As the ledger gives it to be scored."""
        return self._replace(known_at=None, historical=False)


def stored_attributes(policy: Policy) -> frozenset[str]:
    """The names of the attributes that any unit's rules look at, or that it keeps."""
    units = (policy.defaults, *policy.business_units.values())
    return frozenset[str]().union(*(unit.scoring.stored_attributes() for unit in units))


class Keepings:
    """What enters the ledger, by business unit: what rules of any unit name, since leads of different units may be one
    person's, and what the unit's own model may learn from."""

    def __init__(self, policy: Policy) -> None:
        named = stored_attributes(policy)
        self._units = {name: _keeping(named, unit.scoring.model) for name, unit in policy.business_units.items()}
        self._others = _keeping(named, policy.defaults.scoring.model)

    def of(self, business_unit: str) -> Keeping:
        """What is kept of the leads of a unit."""
        return self._units.get(business_unit, self._others)


def _keeping(named: frozenset[str], learning: Learning) -> Keeping:
    if not learning.enabled:
        return Keeping(named)
    if isinstance(learning.attributes, str):
        return Keeping(named, others=learning.attributes)
    return Keeping(named.union(learning.attributes))


def touch(event: LeadCaptured | InteractionRecorded, keeping: Keeping) -> Touch:
    """A captured event as the ledger keeps it, with the attributes that are kept and without personal data. Models look at
    no attribute of an interaction, so of those only what rules name is kept."""
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
            attributes=keeping.named(event.attributes) if event.attributes else None,
            value=_place(event.value),
            direction=_short(event.direction),
            outcome=_short(event.outcome),
            duration_seconds=event.duration_seconds,
            retracts=event.retracts,
            medium=_short(event.medium),
            known_at=learned_at(event),
            historical=event.historical,
            mark=event.mark,
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
        attributes=keeping.kept(event.attributes) if event.attributes else None,
        medium=_short(event.medium),
        known_at=learned_at(event),
        historical=event.historical,
        mark=event.mark,
    )


def without_person(one: Touch) -> Touch:
    """What was done, without what may tell who did it."""
    return one._replace(job_title=None, attributes=None, value=None)


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
