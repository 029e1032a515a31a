"""The steps from a lead that is worth somebody's time to a customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.contracts.conditions import ATTRIBUTE_PREFIX, FieldKind, Vocabulary, WrongCondition, fields_of, parse
from shared.contracts.envelope import Name
from shared.contracts.policy.follow_up import Within
from shared.contracts.policy.section import Section

DEAL_VOCABULARY: Vocabulary = {
    **dict.fromkeys(("product", "currency", "pipeline", "stage", "owner", "team"), FieldKind.TEXT),
    **dict.fromkeys(("amount", "lines"), FieldKind.ANY),
    "expected_close": FieldKind.FLAG,
    **dict.fromkeys(("lead.country", "lead.language", "lead.company", "lead.job_title"), FieldKind.TEXT),
    **dict.fromkeys(("lead.product", "lead.channel", "lead.source", "lead.medium", "lead.campaign"), FieldKind.TEXT),
    **dict.fromkeys(("lead.grade", "lead.owner"), FieldKind.TEXT),
    **dict.fromkeys(("lead.score", "lead.probability"), FieldKind.ANY),
    **dict.fromkeys(("lead.name", "lead.email", "lead.phone", "lead.response"), FieldKind.FLAG),
}
"""What is known of a deal and of its lead: `lines` is how many product lines it has, `lead.response` that somebody has reached
out to the lead."""


RETURN_VOCABULARY: Vocabulary = dict.fromkeys(("channel", "source", "medium", "campaign", "product"), FieldKind.TEXT)
"""How somebody came back."""


def _a_returns_condition(text: str) -> str:
    for field in fields_of(parse(text, RETURN_VOCABULARY)):
        if field.startswith(ATTRIBUTE_PREFIX):
            raise WrongCondition(f"{field!r} is not kept of a return; write one of {', '.join(RETURN_VOCABULARY)}")
    return text


def _a_deals_condition(text: str) -> str:
    for field in fields_of(parse(text, DEAL_VOCABULARY)):
        if field.startswith(ATTRIBUTE_PREFIX):
            raise WrongCondition(f"{field!r} is not kept where deals are; write one of {', '.join(DEAL_VOCABULARY)}")
    return text


def _a_deals_field(name: str) -> str:
    if name not in DEAL_VOCABULARY:
        raise ValueError(f"{name!r} is no field of a deal; write one of {', '.join(DEAL_VOCABULARY)}")
    return name


DealCondition = Annotated[str, AfterValidator(_a_deals_condition)]
DealField = Annotated[str, AfterValidator(_a_deals_field)]


class Stage(Section):
    """A step of a pipeline and how likely a deal in it is won. A deal enters it with all it `needs` and where `enter_when` holds,
    and is overdue when it has been there for so much working time."""

    name: Name
    probability: Annotated[float, Field(ge=0, le=1)]
    enter_when: DealCondition | None = None
    needs: tuple[DealField, ...] = ()
    overdue_after: Within | None = None


class PipelineRule(Section):
    """Which pipeline a deal begins in that names none."""

    when: DealCondition
    pipeline: Name


class Returning(Section):
    """What follows when somebody is captured again all of whose deals have ended: a task for whoever has them, a deal, or nothing;
    where the condition holds of the capture, so many days after the last deal ended."""

    opportunity: Literal["suggest", "open", "none"] = "suggest"
    when: Annotated[str, AfterValidator(_a_returns_condition)] | None = None
    after_days: Annotated[int, Field(ge=0, le=3650)] = 0
    within: Within = "8h"


class Renewing(Section):
    """For how many days before an order has run out its renewal is somebody's to see to; none where nobody is to."""

    ahead_days: Annotated[int, Field(ge=0, le=3650)] | None = 30


class Customers(Section):
    """What is assumed of customers: which share of what they pay is margin, where an order has no cost of its own, and for how many
    months at most somebody stays one, where few or none have left yet."""

    margin_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    lifetime_months: Annotated[int, Field(ge=1, le=600)] = 60

    @property
    def margin(self) -> Decimal | None:
        """The margin rate, exact as it was written."""
        return None if self.margin_rate is None else Decimal(str(self.margin_rate))
