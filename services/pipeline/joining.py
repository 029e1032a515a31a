"""Sees to what is due for people who turned out to be one, and for those who turned out to be two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.pipeline.assigning import Assigning
from services.pipeline.domain import joined_tasks as rules
from services.pipeline.domain.due import Cause, Task
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.tasks import brought_up
from services.pipeline.storage import loading, tasks
from shared.kit.database import Transaction


class Joining:
    """What all units make of it."""

    def __init__(self, assigning: Assigning) -> None:
        self._assigning = assigning

    async def settle(self, transaction: Transaction, ledger: Ledger, losers: Sequence[UUID]) -> None:
        """After merges were recorded, in the stories of these losing ids: each group has each thing to do once."""
        if not losers:
            return
        known = await self._open(transaction, ledger, losers)
        groups: dict[UUID, dict[UUID, Cause]] = {}
        for loser in losers:
            causes = groups.setdefault(ledger.root(loser).lead_id, {})
            cause = _cause(ledger, loser)
            causes.update(dict.fromkeys(ledger.below(loser) - causes.keys(), cause))
        for root_id, causes in groups.items():
            root = ledger.root(root_id)
            theirs = _of(known, ledger, root_id)
            for lead_id, draft in rules.settled(root.state, theirs, causes):
                ledger.record(lead_id, draft)

    async def begin_again(
        self, transaction: Transaction, ledger: Ledger, parted_id: UUID, other_id: UUID, cause: Cause
    ) -> None:
        """After a merge was taken back: each of the two has its own to do again, and who has them does it."""
        both = [ledger.root(one) for one in (parted_id, other_id)]
        facts = [fact for root in both for fact in ledger.facts(root.lead_id)]
        known = await self._open(transaction, ledger, [root.lead_id for root in both])
        for root in both:
            for lead_id, draft in rules.handed_back(root.state, _of(known, ledger, root.lead_id), cause):
                ledger.record(lead_id, draft)
        people = [
            rules.Person(root.lead_id, {one.lead_id for one in ledger.group(root.lead_id)}, root.state) for root in both
        ]
        version = self._assigning.following(both[0].business_unit).version
        merges = await self._merges(transaction, ledger)
        for lead_id, draft in rules.resumed(facts, merges, people, known.values(), cause, version):
            ledger.record(lead_id, draft)

    @staticmethod
    async def _merges(transaction: Transaction, ledger: Ledger) -> set[UUID]:
        """All merges that ever brought somebody to these people, also who has left since."""
        merges = {fact.event_id for lead in ledger for fact in lead.facts or () if fact.event == "LeadMerged"}
        if stored := [lead.lead_id for lead in ledger if lead.stored]:
            await loading.load_apart(transaction, ledger, stored)
            left = {one for pair in ledger.apart for one in pair if one not in ledger}
            merges |= await loading.merges_of(transaction, left) if left else set()
        return merges

    @staticmethod
    async def _open(transaction: Transaction, ledger: Ledger, lead_ids: Sequence[UUID]) -> dict[UUID, Task]:
        """What is due for these people now, after what was recorded in this transaction."""
        stored = {one.lead_id for lead_id in lead_ids for one in ledger.group(lead_id) if one.stored}
        known = {one.task_id: one for one in await tasks.open_tasks(transaction, stored)} if stored else {}
        return brought_up(known, ledger.entries)


def _of(known: dict[UUID, Task], ledger: Ledger, lead_id: UUID) -> list[Task]:
    members = {one.lead_id for one in ledger.group(lead_id)}
    return [task for task in known.values() if task.lead_id in members]


def _cause(ledger: Ledger, loser: UUID) -> Cause:
    """The merge of an id, no earlier than what was known of the two by then."""
    merge = [fact for fact in ledger[loser].facts or () if fact.event == "LeadMerged"][-1]
    latest: list[datetime] = [merge.occurred_at]
    if (last := ledger.root(loser).state.last) is not None:
        latest.append(last.occurred_at)
    return Cause(merge.event_id, merge.event_id, max(latest))
