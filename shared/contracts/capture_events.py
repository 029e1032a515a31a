"""What capture publishes on `capture.leads.v1`: a lead arrived, an interaction happened."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.envelope import Attributes, Event, Moment, Name
from shared.contracts.marks import Mark

IdentityKind = Literal["email", "phone", "external", "visitor"]


class Identity(BaseModel):
    """One way to recognise a lead: the keyed hash of a normalised value, so that it joins records and reveals nobody."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: IdentityKind
    token: str


class Personal(BaseModel):
    """Everything in a capture event that tells who a person is. Separable, so that it can be erased. `as_sent` has the
    fields that were understood otherwise than they were written, `suggestions` what was probably meant."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    message: str | None = None
    external_id: str | None = None
    as_sent: dict[str, str] | None = None
    suggestions: dict[str, str] | None = None
    click_ids: dict[str, str] | None = None


class Consent(BaseModel):
    """One permission given or refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    purpose: Name
    granted: bool = True
    lawful_basis: str | None = None
    text_version: str | None = None
    given_at: Moment | None = None
    proof: str | None = None


class CaptureEvent(Event):
    """What a lead and an interaction share: who sent it, through which channel, and how to recognise the lead.

    A field holds what was understood. Where that differs from what was written, `as_sent` has the latter; where something
    else was probably meant, `suggestions` has that. Whatever is personal of both stands in `personal`. `mark` keeps this from being
    qualified and counted, for `mark_reasons`.
    """

    sender: Name
    channel: Name
    identities: tuple[Identity, ...] = ()
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    term: str | None = None
    product: str | None = None
    attributes: Attributes = Field(default_factory=dict)
    flags: tuple[str, ...] = ()
    as_sent: dict[str, str] | None = None
    suggestions: dict[str, str] | None = None
    mark: Mark | None = None
    mark_reasons: tuple[str, ...] = ()
    personal: Personal | None = None


class LeadCaptured(CaptureEvent):
    """A person or organisation showed interest, or is known to perhaps need us."""

    event: Literal["LeadCaptured"] = "LeadCaptured"
    company: str | None = None
    job_title: str | None = None
    country: str | None = None
    language: str | None = None
    consents: tuple[Consent, ...] = ()


class InteractionRecorded(CaptureEvent):
    """Something a lead, or a visitor not yet known, did. It never creates a lead. `kind` is one of `INTERACTION_KINDS`, or
    the sender's own word, flagged; `direction` says who began, `inbound` (the lead) or `outbound` (we), likewise. One that
    `retracts` another interaction of the same lead says that the other never happened."""

    event: Literal["InteractionRecorded"] = "InteractionRecorded"
    kind: Name
    value: str | None = None
    direction: Name | None = None
    outcome: str | None = None
    duration_seconds: Annotated[float, Field(ge=0)] | None = None
    retracts: UUID | None = None


CaptureEvents = Annotated[LeadCaptured | InteractionRecorded, Field(discriminator="event")]
