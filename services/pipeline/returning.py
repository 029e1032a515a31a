"""Sees who of a batch has come back: a customer, or somebody all of whose deals have ended. Most batches have nobody."""

from __future__ import annotations

from collections.abc import Sequence

from services.pipeline.assigning import Assigning
from services.pipeline.domain.due import RETURN, Cause
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.returns import SOLD_TO, Returns
from services.pipeline.domain.selling import Sellings
from services.pipeline.domain.state import owner_of
from services.pipeline.storage import loading, tasks
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.policy import Policy
from shared.kit.database import Transaction


class Returning:
    """What all units make of it."""

    def __init__(self, policy: Policy, assigning: Assigning) -> None:
        self._assigning = assigning
        self._sellings = Sellings(policy)
        self._units = {name: Returns(unit, policy.version) for name, unit in policy.business_units.items()}
        self._default = Returns(policy.defaults, policy.version)

    async def take(self, transaction: Transaction, ledger: Ledger, again: Sequence[LeadCaptured]) -> None:
        """Records what follows from captures of people who were known. Their stories are read only where no deal is open."""
        sold = [event for event in again if ledger.root(event.lead_id).state.status in SOLD_TO]
        if not sold:
            return
        busy = await loading.with_open_deals(transaction, {ledger.root(event.lead_id).lead_id for event in sold})
        over = [event for event in sold if ledger.root(event.lead_id).lead_id not in busy]
        await loading.load_stories(transaction, ledger, {event.lead_id for event in over})
        for event in over:
            await self._look_at(transaction, ledger, event)

    async def _look_at(self, transaction: Transaction, ledger: Ledger, event: LeadCaptured) -> None:
        root = ledger.root(event.lead_id)
        returns = self._units.get(root.business_unit, self._default)
        if not returns.has_come_back(root.state, event):
            return
        following = self._assigning.following(root.business_unit)
        cause = Cause(event.event_id, event.correlation_id, event.occurred_at)
        known = await tasks.open_tasks(transaction, [one.lead_id for one in ledger.group(root.lead_id)])
        opened = self._opened(returns, ledger, event) if returns.rule.opportunity == "open" else []
        for draft in opened:
            ledger.record(event.lead_id, draft)
            for follows in following.after(root.state, [draft], known, cause, transaction.now):
                ledger.record(ledger.story_of(event.lead_id, follows), follows)
        if not opened and not any(one.kind == RETURN for one in known) and not _suggested(ledger, event):
            owner, _ = owner_of(root.state)
            for draft in following.came_back(event.lead_id, owner or self._fallback(root.business_unit), cause):
                ledger.record(event.lead_id, draft)

    def _opened(self, returns: Returns, ledger: Ledger, event: LeadCaptured) -> list[Draft]:
        """The deal, where a stage takes it: one that none takes is for a person to open."""
        root = ledger.root(event.lead_id)
        try:
            return self._sellings.of(root.business_unit).placed(
                ledger, root.lead_id, [returns.opened(root.state, event)]
            )
        except Refused:
            return []

    def _fallback(self, business_unit: str) -> str | None:
        return self._assigning.router(business_unit).fallback


def _suggested(ledger: Ledger, event: LeadCaptured) -> bool:
    """Whether this batch said it already."""
    group = {lead.lead_id for lead in ledger.group(event.lead_id)}
    return any(entry.fact.data.get("kind") == RETURN for entry in ledger.entries if entry.lead.lead_id in group)
