"""When somebody who was captured again has come back, and what that opens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.state import LeadState, owner_of
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.conditions import compiled, parse
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import OpportunityOpened
from shared.contracts.policy import RETURN_VOCABULARY, Returning, UnitPolicy

SOLD_TO = ("converted", "customer")
"""What a lead is that has, or had, business with the unit."""


def is_return(ledger: Ledger, event: LeadCaptured, owners: Iterable[UUID]) -> bool:
    """Whether a capture is of somebody who had business with the unit, by its id or by who owns its identities. Then it makes no
    new lead of them: not even of one that nobody ever said to be a lead, as history tells of customers. What was imported says
    what it says; a capture under a mark says nothing; one of an id under a mark shows that it is real."""
    if event.historical or event.mark is not None:
        return False
    known = [event.lead_id] if event.lead_id in ledger else [one for one in owners if one in ledger]
    return any(_was_sold_to(ledger.root(one).state, one) for one in known)


def _was_sold_to(state: LeadState, lead_id: UUID) -> bool:
    marking = state.marks.get(lead_id)
    return state.status in SOLD_TO and state.mark is None and (marking is None or marking.mark is None)


class Returns:
    """What a business unit makes of people who come back."""

    def __init__(self, unit: UnitPolicy, version: str) -> None:
        self.rule: Returning = unit.returning
        self._unit = unit
        self._version = version
        self._holds = compiled(parse(self.rule.when, RETURN_VOCABULARY), _reader) if self.rule.when else lambda _: True

    def has_come_back(self, state: LeadState, event: LeadCaptured) -> bool:
        """Whether a capture is the beginning of something new: all that was is over, and was when this was captured."""
        if state.status not in SOLD_TO or state.mark is not None or self.rule.opportunity == "none":
            return False
        ends = [deal.closed_at for deal in state.deals.values()]
        ends += [order.placed.occurred_at for order in state.orders.values() if order.placed is not None]
        if any(end is None or end + timedelta(days=self.rule.after_days) > event.occurred_at for end in ends):
            return False
        return self._holds(event)

    def opened(self, state: LeadState, event: LeadCaptured) -> Draft:
        """The deal that follows from a return; which pipeline takes it is for `selling` to say."""
        owner, team = owner_of(state)
        data = given(
            opportunity_id=str(derived_event_id(event.event_id, "opportunity")),
            product=event.product,
            owner=owner,
            team=team,
            automatic=True,
            policy_version=self._version,
        )
        event_id = derived_event_id(event.event_id, "OpportunityOpened")
        return Draft(OpportunityOpened, event_id, event.occurred_at, event.correlation_id, event.event_id, data)


def _reader(name: str) -> Any:
    return lambda event: getattr(event, name)
