"""What pipeline publishes of deals."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.contracts.envelope import Currency, LifecycleEvent, Moment, Money, Name


class ProductLine(BaseModel):
    """What is sold: so much of a product at a price, less a share of it from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product: Name
    quantity: Money
    unit_price: Money
    discount: Money | None = None


class OpportunityEvent(LifecycleEvent):
    """An event of one deal with the lead. Ids are the caller's own or a UUID, unique within the business unit."""

    opportunity_id: Name


class OpportunityOpened(OpportunityEvent):
    """A deal began, by rule where a customer came back (`automatic`). `position` is the stage's place in its pipeline, absent for a stage the policy does not know."""

    event: Literal["OpportunityOpened"] = "OpportunityOpened"
    stage: str | None = None
    position: int | None = None
    pipeline: str | None = None
    amount: Money | None = None
    currency: Currency | None = None
    product: str | None = None
    owner: str | None = None
    team: str | None = None
    expected_close: Moment | None = None
    lines: tuple[ProductLine, ...] | None = None
    automatic: bool = False


class StageChanged(OpportunityEvent):
    """The deal entered a stage, forward, back or skipping."""

    event: Literal["StageChanged"] = "StageChanged"
    stage: Name
    position: int | None = None
    owner: str | None = None
    team: str | None = None


class AmountChanged(OpportunityEvent):
    """The deal's value was corrected, by what it is of where there are `lines`: all of them, as they are from then on."""

    event: Literal["AmountChanged"] = "AmountChanged"
    amount: Money
    currency: Currency | None = None
    lines: tuple[ProductLine, ...] | None = None


class CloseDateChanged(OpportunityEvent):
    """The deal is expected to close at another time."""

    event: Literal["CloseDateChanged"] = "CloseDateChanged"
    expected_close: Moment


class OpportunityAssigned(OpportunityEvent):
    """The deal is somebody else's from then on, in the team that is named or in none. What was done with it before stays theirs who did it."""

    event: Literal["OpportunityAssigned"] = "OpportunityAssigned"
    owner: Name
    team: str | None = None


class OpportunityWon(OpportunityEvent):
    """The lead became, or stayed, a customer. The reason is there where the policy asks for one."""

    event: Literal["OpportunityWon"] = "OpportunityWon"
    reason: str | None = None
    amount: Money | None = None
    currency: Currency | None = None
    product: str | None = None
    owner: str | None = None
    team: str | None = None


class OpportunityLost(OpportunityEvent):
    """The deal ended without a sale. Its last amount stays."""

    event: Literal["OpportunityLost"] = "OpportunityLost"
    reason: Name
    amount: Money | None = None
    currency: Currency | None = None
    product: str | None = None
    owner: str | None = None
    team: str | None = None
