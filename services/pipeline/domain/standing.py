"""Where a lead stands, in words, and for how long it stood where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from services.pipeline.domain.facts import Fact, in_order
from services.pipeline.domain.state import LeadState, Status, evolve

MOVING = (
    "LeadCreated", "LeadTouched", "LeadDescribed", "LeadMerged", "LeadUnmerged", "LeadAssigned", "ContactAttempted",
    "LeadQualified", "LeadArchived", "LeadReopened", "OrderPlaced", "OrderCancelled", "OpportunityOpened", "StageChanged",
    "AmountChanged", "CloseDateChanged", "OpportunityAssigned", "OpportunityWon", "OpportunityLost",
)  # fmt: skip
"""The facts that say where a lead stands."""


class Span(NamedTuple):
    """That a lead stood somewhere from one moment to another; without an end it still does."""

    status: Status
    since: datetime
    until: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """For how long."""
        return max(((self.until or now) - self.since).total_seconds(), 0.0)


class Standing(NamedTuple):
    """Where a lead stands after all its facts, and where it stood, one after the other without a gap."""

    state: LeadState
    spans: tuple[Span, ...]
    kind: str | None


def standing_of(facts: Iterable[Fact]) -> Standing:
    """Of the facts of a lead, or of a group of merged ones, in any order."""
    state = LeadState()
    kind: str | None = None
    spans: list[Span] = []
    for fact in in_order(facts):
        state = evolve(state, fact)
        kind = fact.data.get("kind", kind) if fact.event == "LeadDescribed" else kind
        if spans and spans[-1].status == state.status:
            continue
        if spans:
            spans[-1] = spans[-1]._replace(until=fact.occurred_at)
        spans.append(Span(state.status, fact.occurred_at))
    return Standing(state, tuple(spans), kind)


def seconds_in(spans: Iterable[Span], now: datetime) -> dict[str, int]:
    """For how long a lead stood in each status in all."""
    total: dict[str, float] = {}
    for span in spans:
        total[span.status] = total.get(span.status, 0.0) + span.seconds(now)
    return {status: int(seconds) for status, seconds in total.items()}


def interest(state: LeadState) -> str:
    """Whether the lead bought or is interested, in words."""
    deals = sorted(state.deals.values(), key=lambda deal: deal.first)
    open_deals = [deal for deal in deals if deal.status == "open"]
    again = f", interested again: {_deals(len(open_deals))} open" if open_deals else ""
    match state.status:
        case "archived":
            reason = state.archived.reason if state.archived is not None else "unknown"
            return f"put aside: {reason}"
        case "customer":
            won = sum(deal.status == "won" for deal in deals)
            return f"bought{f': {_deals(won)} won' if won else ''}{again}"
        case "converted" if open_deals:
            return f"interested: {_deals(len(open_deals))} open"
        case "converted":
            return f"was interested, lost: {deals[-1].reason or 'unknown'}"
        case "qualified":
            return "interested: worth somebody's time"
        case "working":
            return "being worked on"
        case _:
            return "new, interest not known yet"


def shape_of(kind: str | None, personal: Mapping[str, Any]) -> str:
    """A person or an organisation: as somebody said, else as it looks."""
    if kind is not None:
        return kind
    is_several = personal.get("contacts") or (personal.get("company") and not personal.get("name"))
    return "organisation" if is_several else "person"


def _deals(number: int) -> str:
    return "1 opportunity" if number == 1 else f"{number} opportunities"
