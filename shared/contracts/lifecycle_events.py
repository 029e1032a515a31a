"""What pipeline publishes on `pipeline.lifecycle.v1`: one lead's story, from creation to customer, without personal data."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.activity_events import NoteAdded, Seconds
from shared.contracts.envelope import Currency, LifecycleEvent, Moment, Money, Name
from shared.contracts.lead_shape_events import LeadContactChanged, LeadDescribed
from shared.contracts.marks import Mark
from shared.contracts.opportunity_events import AmountChanged as AmountChanged
from shared.contracts.opportunity_events import CloseDateChanged as CloseDateChanged
from shared.contracts.opportunity_events import OpportunityAssigned as OpportunityAssigned
from shared.contracts.opportunity_events import OpportunityEvent as OpportunityEvent
from shared.contracts.opportunity_events import OpportunityLost as OpportunityLost
from shared.contracts.opportunity_events import OpportunityOpened as OpportunityOpened
from shared.contracts.opportunity_events import OpportunityWon as OpportunityWon
from shared.contracts.opportunity_events import ProductLine as ProductLine
from shared.contracts.opportunity_events import StageChanged as StageChanged

Scale = Literal["csat", "nps"]
"""How satisfaction is measured: 1 to 5, or 0 to 10."""


class LeadCreated(LifecycleEvent):
    """A lead became known. `implied` when no one said so and its first recorded fact created it: then the lead's
    creation time is that of its earliest fact, until an explicit creation is learned. `contacts` is of what it has a valid one. Under a `mark` it is kept and not
    counted, as long as nothing else says that the lead is real."""

    event: Literal["LeadCreated"] = "LeadCreated"
    implied: bool = False
    sender: str | None = None
    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    product: str | None = None
    contacts: tuple[Literal["email", "phone"], ...] | None = None
    flags: tuple[str, ...] = ()
    mark: Mark | None = None
    mark_reasons: tuple[str, ...] = ()


class LeadTouched(LifecycleEvent):
    """A known lead was captured again (`kind` is `captured`) or interacted (`kind` names how). `recorded_under` is the
    id that the interaction was recorded under where it is not this lead's: that of a visitor, not known at the time. What an
    interaction was about does not travel: it is the sender's text. Older events may have it, as `value`. Of a capture `contacts` is of what it has a valid one. One that `moves` the
    lead asked for something: the lead is worked from then on. One that `retracts` an interaction says that it never happened. An e-mail that
    came back for good is `undeliverable`."""

    event: Literal["LeadTouched"] = "LeadTouched"
    kind: Name
    moves: bool = False
    retracts: UUID | None = None
    undeliverable: bool = False
    recorded_under: UUID | None = None
    sender: str | None = None
    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    product: str | None = None
    contacts: tuple[Literal["email", "phone"], ...] | None = None
    flags: tuple[str, ...] = ()
    mark: Mark | None = None
    mark_reasons: tuple[str, ...] = ()


class LeadMarked(LifecycleEvent):
    """Somebody said that the lead is a test or spam, or, without a mark, that it is real. The last word holds, for
    everything captured before it and after."""

    event: Literal["LeadMarked"] = "LeadMarked"
    mark: Mark | None = None


class LeadGraded(LifecycleEvent):
    """Scoring's verdict was taken over, the model's probability with it where one spoke."""

    event: Literal["LeadGraded"] = "LeadGraded"
    score: int
    grade: Name
    probability: Annotated[float, Field(ge=0, le=1)] | None = None


class LeadMerged(LifecycleEvent):
    """This lead is the same person as another; it is keyed by the losing id and stands in that id's own story."""

    event: Literal["LeadMerged"] = "LeadMerged"
    into_lead_id: UUID
    matched_on: Name


class LeadUnmerged(LifecycleEvent):
    """The merge of this lead was taken back."""

    event: Literal["LeadUnmerged"] = "LeadUnmerged"
    from_lead_id: UUID


class LeadAssigned(LifecycleEvent):
    """The lead has an owner, or another one, given by a routing `rule` (`automatic`) or by a person. `reason` says how the rule
    found them."""

    event: Literal["LeadAssigned"] = "LeadAssigned"
    owner: Name
    team: str | None = None
    automatic: bool = False
    rule: str | None = None
    reason: str | None = None


class LeadQualified(LifecycleEvent):
    """The lead met the criteria of its unit, by rule (`automatic`) or by a person, who may confirm what a `rule` found. `reason`
    says why, in the policy's words."""

    event: Literal["LeadQualified"] = "LeadQualified"
    automatic: bool = False
    rule: Name | None = None
    reason: str | None = None


class LeadArchived(LifecycleEvent):
    """The lead was put aside, with the reason, and until when, if not for good."""

    event: Literal["LeadArchived"] = "LeadArchived"
    reason: Name
    recycle_at: Moment | None = None


class LeadReopened(LifecycleEvent):
    """An archived lead came back: somebody took it up again, or its time had come (`automatic`)."""

    event: Literal["LeadReopened"] = "LeadReopened"
    automatic: bool = False
    reason: str | None = None


class ContactAttempted(LifecycleEvent):
    """Someone tried to reach the lead. Only an outbound attempt by a human counts as a response. `against` names the rule of
    the policy that it broke: `consent`, `limit` or `quiet_hours`. With a `message_id` it is a message that was written by `template`:
    once as it is handed over, and again with an `outcome` where it never arrives. An `outcome` is a word of the policy, else `other`: what
    was said in other words does not travel. `duration_seconds` is how long it took."""

    event: Literal["ContactAttempted"] = "ContactAttempted"
    kind: Name
    outcome: str | None = None
    owner: str | None = None
    human: bool = True
    outbound: bool = True
    against: str | None = None
    message_id: UUID | None = None
    template: str | None = None
    duration_seconds: Seconds | None = None


class FollowUpScheduled(LifecycleEvent):
    """Something is to be done until `due_at`, by its owner: that somebody answers (`kind` is `first_response`), a `step` of a
    cadence, an `escalation` of what somebody else did not do, a `task` that a person made, the `confirmation` of a
    qualification by `rule`, for a `reason`, that an archived lead comes back (`recycle`), that it asked for something (`request`),
    that a deal leaves its stage (`stage`), that somebody looks at a customer who is back (`return`), or that an order is renewed before
    it has run out (`renewal`). Said again of one task it is
    put off or somebody else's. What is sent by itself names the template (`send`); `reason` is why it is put off, or somebody's to do."""

    event: Literal["FollowUpScheduled"] = "FollowUpScheduled"
    due_at: Moment
    kind: Name
    owner: str | None = None
    task_id: UUID | None = None
    name: Name | None = None
    channel: str | None = None
    starts_at: Moment | None = None
    cadence: str | None = None
    step: int | None = None
    send: str | None = None
    rule: str | None = None
    reason: str | None = None
    opportunity_id: str | None = None
    order_id: str | None = None


class FollowUpMissed(LifecycleEvent):
    """Something was not done in time. It happened at `due_at`, and may still be done."""

    event: Literal["FollowUpMissed"] = "FollowUpMissed"
    due_at: Moment
    kind: Name
    owner: str | None = None
    task_id: UUID | None = None
    name: Name | None = None
    cadence: str | None = None
    opportunity_id: str | None = None
    order_id: str | None = None


class FollowUpDone(LifecycleEvent):
    """What was to be done is done, or left out (`skipped`), with the reason. `merged` says that the lead turned out to be somebody who had
    been answered, by the merge that caused it: once that is taken back it was not done. An `outcome` that somebody said is a word of the policy, else
    `other`."""

    event: Literal["FollowUpDone"] = "FollowUpDone"
    task_id: UUID
    kind: Name
    name: Name | None = None
    owner: str | None = None
    outcome: str | None = None
    opportunity_id: str | None = None
    order_id: str | None = None
    reason: str | None = None


class FollowUpCancelled(LifecycleEvent):
    """What was to be done need not be done any more, with the reason: the lead's new status, or what somebody said."""

    event: Literal["FollowUpCancelled"] = "FollowUpCancelled"
    task_id: UUID
    kind: Name
    name: Name | None = None
    owner: str | None = None
    reason: Name
    opportunity_id: str | None = None
    order_id: str | None = None


class OrderPlaced(LifecycleEvent):
    """A customer ordered. What they ordered before and go on with is named in `renews`, until when it runs in `runs_until`; `cost` is
    what the order costs who fulfils it. One order is one event of its `order_id`, unique within the business unit."""

    event: Literal["OrderPlaced"] = "OrderPlaced"
    order_id: str | None = None
    opportunity_id: str | None = None
    amount: Money
    currency: Currency | None = None
    product: str | None = None
    cost: Money | None = None
    lines: tuple[ProductLine, ...] | None = None
    renews: str | None = None
    runs_until: Moment | None = None


class OrderRefunded(LifecycleEvent):
    """So much of an order was paid back; of several refunds each is one."""

    event: Literal["OrderRefunded"] = "OrderRefunded"
    order_id: Name
    amount: Money
    currency: Currency | None = None
    reason: str | None = None


class OrderCancelled(LifecycleEvent):
    """An order is none any more, with all that was refunded of it."""

    event: Literal["OrderCancelled"] = "OrderCancelled"
    order_id: Name
    reason: str | None = None


class CustomerChurned(LifecycleEvent):
    """A customer left, until they order or a deal with them is won again."""

    event: Literal["CustomerChurned"] = "CustomerChurned"
    reason: str | None = None


class SatisfactionAsked(LifecycleEvent):
    """A customer was asked how satisfied they are."""

    event: Literal["SatisfactionAsked"] = "SatisfactionAsked"
    scale: Scale = "csat"


class SatisfactionRecorded(LifecycleEvent):
    """A customer answered how satisfied they are, 1 to 5 (`csat`), or whether they would recommend the unit, 0 to 10 (`nps`). What
    they said beside it does not travel."""

    event: Literal["SatisfactionRecorded"] = "SatisfactionRecorded"
    value: Annotated[float, Field(ge=0, le=10)]
    scale: Scale = "csat"


class ConsentChanged(LifecycleEvent):
    """A permission was given, refused or withdrawn, at `occurred_at`. Its proof stays where personal data is. What is granted
    under a `mark` counts only once the lead is released."""

    event: Literal["ConsentChanged"] = "ConsentChanged"
    purpose: Name
    granted: bool
    mark: Mark | None = None
    lawful_basis: str | None = None
    text_version: str | None = None


class PersonalDataErased(LifecycleEvent):
    """Who this lead is was forgotten; what happened stays counted."""

    event: Literal["PersonalDataErased"] = "PersonalDataErased"


LifecycleEvents = Annotated[
    LeadCreated
    | LeadTouched
    | LeadDescribed
    | LeadContactChanged
    | LeadMarked
    | LeadGraded
    | LeadMerged
    | LeadUnmerged
    | LeadAssigned
    | LeadQualified
    | LeadArchived
    | LeadReopened
    | ContactAttempted
    | NoteAdded
    | FollowUpScheduled
    | FollowUpMissed
    | FollowUpDone
    | FollowUpCancelled
    | OpportunityOpened
    | StageChanged
    | AmountChanged
    | CloseDateChanged
    | OpportunityAssigned
    | OpportunityWon
    | OpportunityLost
    | OrderPlaced
    | OrderRefunded
    | OrderCancelled
    | CustomerChurned
    | SatisfactionAsked
    | SatisfactionRecorded
    | ConsentChanged
    | PersonalDataErased,
    Field(discriminator="event"),
]
