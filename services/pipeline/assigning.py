"""Gives out leads that have nobody yet: all of one batch at once, in the order in which they came to be wanted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.due import Cause
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.follow_up import Following
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.routing import Chosen, Router, fields_of_lead
from services.pipeline.domain.tasks import brought_up
from services.pipeline.storage import tasks, worklist
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadAssigned
from shared.contracts.policy import Policy
from shared.kit.database import Transaction

OPEN = ("qualified", "working")
"""Where somebody has to see to a lead: it is qualified, or was taken up again before it ever was."""


class Wanted(NamedTuple):
    """A lead that somebody has to get, and what that comes from."""

    lead_id: UUID
    occurred_at: datetime
    cause: UUID
    correlation_id: UUID

    @staticmethod
    def by(lead_id: UUID, qualified: Draft) -> Wanted:
        """What follows from a qualification."""
        cause = qualified.causation_id or qualified.event_id
        return Wanted(lead_id, qualified.occurred_at, cause, qualified.correlation_id)


class Assigning:
    """The routers of all units, and what follows. `answers` says whether any unit answers what leads ask for."""

    def __init__(self, policy: Policy) -> None:
        self._version = policy.version
        self._units = {name: Router(unit) for name, unit in policy.business_units.items()}
        self._default = Router(policy.defaults)
        self._following = {
            name: Following(unit, policy.version, self.router(name).calendars)
            for name, unit in policy.business_units.items()
        }
        self._follow_default = Following(policy.defaults, policy.version, self._default.calendars)
        self.answers = any(one.requests for one in (self._follow_default, *self._following.values()))

    def router(self, business_unit: str) -> Router:
        """How a unit gives out its leads."""
        return self._units.get(business_unit, self._default)

    def following(self, business_unit: str) -> Following:
        """What a unit does with its leads."""
        return self._following.get(business_unit, self._follow_default)

    async def assign(self, transaction: Transaction, ledger: Ledger, wanted: Sequence[Wanted]) -> None:
        """Gives each lead that is wanted and has no owner to whom the rules choose, and records it. An assignment by rule
        happened when its cause did; who was there to be given it is a matter of now. Then what is due for each begins."""
        by_unit: dict[str, list[Wanted]] = {}
        given: list[tuple[Lead, Draft]] = []
        for one in wanted:
            root = ledger.root(one.lead_id)
            if self.router(root.business_unit).is_active:
                by_unit.setdefault(root.business_unit, []).append(one)
        for unit in sorted(by_unit):
            router = self.router(unit)
            office = await worklist.open_office(transaction, unit, router)
            for one in by_unit[unit]:
                root = ledger.root(one.lead_id)
                state = root.state
                if state.assigned is None and state.mark is None and not state.is_erased and state.status in OPEN:
                    chosen = router.route(fields_of_lead(ledger, root.lead_id), office, transaction.now)
                    draft = self._draft(one, chosen)
                    if root.state.worked or root.state.floor != "new":
                        given.append((root, draft))
                    ledger.record(root.lead_id, draft)
            await worklist.close_office(transaction, unit, office)
        await self._hand_over(transaction, ledger, given)
        for one in wanted:
            root = ledger.root(one.lead_id)
            cause = Cause(one.cause, one.correlation_id, one.occurred_at)
            for draft in self.following(root.business_unit).begin(root.state, root.lead_id, cause):
                ledger.record(root.lead_id, draft)

    async def _hand_over(self, transaction: Transaction, ledger: Ledger, given: Sequence[tuple[Lead, Draft]]) -> None:
        """Who was given a lead that was at work already answers what it asked for. Most are given before they ask for anything."""
        stored = [one.lead_id for root, _ in given for one in ledger.group(root.lead_id) if one.stored]
        known = {one.task_id: one for one in await tasks.open_tasks(transaction, stored)} if stored else {}
        known = brought_up(known, ledger.entries) if given else known
        for root, draft in given:
            cause = Cause(draft.event_id, draft.correlation_id, draft.occurred_at)
            members = {one.lead_id for one in ledger.group(root.lead_id)}
            theirs = [task for task in known.values() if task.lead_id in members]
            for follows in self.following(root.business_unit).answered_by(draft.data["owner"], theirs, cause):
                ledger.record(ledger.story_of(root.lead_id, follows), follows)

    def _draft(self, wanted: Wanted, chosen: Chosen) -> Draft:
        data = {
            "owner": chosen.owner,
            "automatic": True,
            "rule": chosen.rule,
            "reason": chosen.reason,
            "policy_version": self._version,
        }
        if chosen.team is not None:
            data["team"] = chosen.team
        event_id = derived_event_id(wanted.cause, "LeadAssigned")
        return Draft(LeadAssigned, event_id, wanted.occurred_at, wanted.correlation_id, wanted.cause, data)
