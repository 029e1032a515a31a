"""Contacts of leads: added, changed and removed by commands, recognised like leads where nobody else is, forgotten like them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from services.pipeline.domain import contacts as rules
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.erasure import Erased
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.storage import contacts, loading, saving
from shared.contracts.capture_events import Identity
from shared.contracts.identity import Tokens, derived_event_id
from shared.contracts.lead_shape_events import LeadContactChanged
from shared.contracts.policy import Policy
from shared.kit.database import Transaction

Also = Callable[[Transaction, Ledger, UUID, Act], Awaitable[list[Draft]]]


class ContactPeople:
    """What commands do to contacts, as a part of the command's transaction."""

    def __init__(self, policy: Policy, secret: bytes) -> None:
        self._policy = policy
        self._tokens = Tokens(secret)

    def add(self, said: Mapping[str, Any]) -> Also:
        """One more contact, under the id of the command."""

        async def work(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> list[Draft]:
            rules.check(said, self._policy.unit(ledger[lead_id].business_unit))
            rules.refuse_more(ledger, lead_id)
            await self._keep(transaction, ledger, lead_id, act.act_id, {}, said)
            return [rules.recorded(act, act.act_id, "added", said)]

        return work

    def change(self, contact_id: UUID, said: Mapping[str, Any]) -> Also:
        """Another role, another address. What is not said stays."""

        async def work(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> list[Draft]:
            member = rules.holder(ledger, lead_id, contact_id)
            before = rules.contacts_of(member.personal)[str(contact_id)]
            after = {**before, **said}
            rules.check(after, self._policy.unit(member.business_unit))
            await self._keep(transaction, ledger, member.lead_id, contact_id, before, after)
            return [rules.recorded(act, contact_id, "changed", after)]

        return work

    def remove(self, contact_id: UUID) -> Also:
        """A contact no more. What the history says of them stays until somebody is erased."""

        async def work(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> list[Draft]:
            member = rules.holder(ledger, lead_id, contact_id)
            before = rules.contacts_of(member.personal)[str(contact_id)]
            await contacts.release(transaction, member.lead_id, before.get("claimed", ()))
            rules.put(member, contact_id, None)
            ledger.changed.add(member.lead_id)
            return [rules.recorded(act, contact_id, "removed", before)]

        return work

    async def _keep(
        self,
        transaction: Transaction,
        ledger: Ledger,
        lead_id: UUID,
        contact_id: UUID,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> None:
        """An identity is the lead's where nobody has it. What it had for the contact, and the contact has no more, it lets go."""
        unit = ledger[lead_id].business_unit
        names = [
            Identity(kind=one.kind, token=self._tokens.token(unit, one.kind, one.value))
            for one in rules.recognised_by(after, self._policy.unit(unit))
        ]
        tokens = {one.token for one in names}
        await contacts.release(transaction, lead_id, rules.released(before.get("claimed", ()), tokens))
        claimed = await contacts.claim(transaction, unit, lead_id, names) | (set(before.get("claimed", ())) & tokens)
        await contacts.name(transaction, lead_id, contact_id, tokens | set(before.get("names", ())))
        kept = {name: after[name] for name in rules.SHOWN if after.get(name)}
        known = {"names": sorted(tokens | set(before.get("names", ()))), "claimed": sorted(claimed)}
        rules.put(ledger[lead_id], contact_id, {**kept, **known})
        ledger.changed.add(lead_id)


async def forget_contacts(
    transaction: Transaction, names: Collection[str], by: Erased, erased: Collection[UUID]
) -> int:
    """Forgets whoever is erased where they are a contact of somebody else's lead, which stays; how many there were."""
    await contacts.forget(transaction, erased)
    found = await contacts.named(transaction, names, by.until, erased)
    if not found:
        return 0
    ledger = await loading.lock_groups(transaction, {row.lead_id for row in found})
    await loading.load_stories(transaction, ledger, [lead.lead_id for lead in ledger])
    for row in found:
        member = ledger[row.lead_id]
        known = rules.contacts_of(member.personal).get(str(row.contact_id))
        if known is not None:
            rules.put(member, row.contact_id, None)
            event_id = derived_event_id(by.erasure_id, f"LeadContactChanged:{row.contact_id}")
            data = {"contact_id": str(row.contact_id), "change": "removed", "role": known["role"]}
            ledger.record(member.lead_id, Draft(LeadContactChanged, event_id, by.until, by.erasure_id, None, data))
        await contacts.name(transaction, row.lead_id, row.contact_id, ())
    await saving.save(transaction, ledger)
    await contacts.forget_asides(transaction, [lead.lead_id for lead in ledger], {row.contact_id for row in found})
    return len(found)
