"""Contacts of leads: added, changed and removed by commands, recognised like leads where nobody else is, forgotten like them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain import contacts as rules
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.erasure import Erased
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.storage import contacts, erasures, loading, saving
from shared.contracts.capture_events import Identity
from shared.contracts.identity import Tokens, derived_event_id
from shared.contracts.lead_shape_events import LeadContactChanged
from shared.contracts.policy import Policy
from shared.kit.database import RacedWrite, Transaction


class Also(NamedTuple):
    """What goes with a command: `first` before any lead is locked, `then` with its lead locked, recording what it did."""

    first: Callable[[Transaction, UUID], Awaitable[None]]
    then: Callable[[Transaction, Ledger, UUID, Act], Awaitable[None]]


Seen = dict[UUID, dict[str, Any]]
"""The contacts of ids as they were before these were locked."""


class ContactPeople:
    """What commands do to contacts, as a part of the command's transaction. Identities are claimed and let go of before any lead
    is locked, as a batch does it, so that the two wait for each other and lock nobody out. Where something else was said of the
    lead's contacts in between, the command starts again."""

    def __init__(self, policy: Policy, secret: bytes) -> None:
        self._policy = policy
        self._tokens = Tokens(secret)

    def add(self, said: Mapping[str, Any]) -> Also:
        """One more contact, under the id of the command."""

        async def first(transaction: Transaction, lead_id: UUID) -> None:
            ledger = await _as_it_is(transaction, lead_id)
            if lead_id in ledger:
                await self._exchange(transaction, ledger[lead_id], None, said)

        async def then(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> None:
            rules.check(said, self._policy.unit(ledger[lead_id].business_unit))
            rules.refuse_more(ledger, lead_id)
            await self._keep(transaction, ledger, lead_id, act.act_id, said)
            ledger.record(lead_id, rules.recorded(act, act.act_id, "added", said))

        return Also(first, then)

    def change(self, contact_id: UUID, said: Mapping[str, Any]) -> Also:
        """Another role, another address. What is not said stays."""
        seen = Seen()

        async def first(transaction: Transaction, lead_id: UUID) -> None:
            ledger = await _as_it_is(transaction, lead_id)
            for member in rules.holders(ledger, lead_id, contact_id):
                seen[member.lead_id] = rules.contacts_of(member.personal)
                after = {**rules.contacts_of(member.personal)[str(contact_id)], **said}
                await self._exchange(transaction, member, contact_id, after)

        async def then(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> None:
            member = _as_seen(seen, rules.holder(ledger, lead_id, contact_id))
            after = {**rules.contacts_of(member.personal)[str(contact_id)], **said}
            rules.check(after, self._policy.unit(member.business_unit))
            await self._keep(transaction, ledger, member.lead_id, contact_id, after)
            ledger.record(member.lead_id, rules.recorded(act, contact_id, "changed", after))

        return Also(first, then)

    def remove(self, contact_id: UUID) -> Also:
        """A contact no more. What the history says of them stays until somebody is erased."""
        seen = Seen()

        async def first(transaction: Transaction, lead_id: UUID) -> None:
            ledger = await _as_it_is(transaction, lead_id)
            for member in rules.holders(ledger, lead_id, contact_id):
                seen[member.lead_id] = rules.contacts_of(member.personal)
                gone = rules.released(member.personal, contact_id)
                await contacts.hold(transaction, member.business_unit, gone)
                await contacts.release(transaction, member.lead_id, gone)

        async def then(transaction: Transaction, ledger: Ledger, lead_id: UUID, act: Act) -> None:
            member = _as_seen(seen, rules.holder(ledger, lead_id, contact_id))
            before = rules.contacts_of(member.personal)[str(contact_id)]
            rules.put(member, contact_id, None)
            ledger.record(member.lead_id, rules.recorded(act, contact_id, "removed", before))

        return Also(first, then)

    async def _keep(
        self, transaction: Transaction, ledger: Ledger, lead_id: UUID, contact_id: UUID, after: Mapping[str, Any]
    ) -> None:
        member = ledger[lead_id]
        tokens = {one.token for one in self._names(member, after)}
        claimed = await contacts.claimed(transaction, member.business_unit, member.lead_id, tokens)
        names = tokens | set(rules.contacts_of(member.personal).get(str(contact_id), {}).get("names", ()))
        await contacts.name(transaction, lead_id, contact_id, names)
        kept = {name: after[name] for name in rules.SHOWN if after.get(name)}
        rules.put(member, contact_id, {**kept, "names": sorted(names), "claimed": sorted(claimed)})
        ledger[lead_id].changed = True

    async def _exchange(
        self, transaction: Transaction, member: Lead, contact_id: UUID | None, after: Mapping[str, Any]
    ) -> None:
        """An identity is the lead's where nobody has it. What it has only for the contact, and the contact has no more, it lets
        go of."""
        names = self._names(member, after)
        tokens = {one.token for one in names}
        gone = rules.released(member.personal, contact_id, tokens)
        await contacts.hold(transaction, member.business_unit, {*gone, *tokens})
        await contacts.release(transaction, member.lead_id, gone)
        await contacts.claim(transaction, member.business_unit, member.lead_id, names)

    def _names(self, member: Lead, after: Mapping[str, Any]) -> list[Identity]:
        unit = member.business_unit
        return [
            Identity(kind=one.kind, token=self._tokens.token(unit, one.kind, one.value))
            for one in rules.recognised_by(after, self._policy.unit(unit))
        ]


def _as_seen(seen: Seen, member: Lead) -> Lead:
    """The id with a contact, now that it is locked, where its contacts are those that identities were exchanged for."""
    if seen.get(member.lead_id) != rules.contacts_of(member.personal):
        raise RacedWrite
    return member


async def _as_it_is(transaction: Transaction, lead_id: UUID) -> Ledger:
    await erasures.stand_beside(transaction)
    return await loading.read_groups(transaction, [lead_id])


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
            await contacts.release(transaction, row.lead_id, rules.released(member.personal, row.contact_id))
            rules.put(member, row.contact_id, None)
            event_id = derived_event_id(by.erasure_id, f"LeadContactChanged:{row.contact_id}")
            data = {"contact_id": str(row.contact_id), "change": "removed", "role": known["role"]}
            ledger.record(member.lead_id, Draft(LeadContactChanged, event_id, by.until, by.erasure_id, None, data))
        await contacts.name(transaction, row.lead_id, row.contact_id, ())
    await saving.save(transaction, ledger)
    await contacts.forget_asides(transaction, [lead.lead_id for lead in ledger], {row.contact_id for row in found})
    return len(found)
