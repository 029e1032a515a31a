"""The gate before a lead: whoever wants to reach somebody passes here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.bounces import is_undeliverable
from services.pipeline.domain.consents import standing
from services.pipeline.domain.contact_rules import NotAllowed, Verdict, attempts_of, verdict
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger, known_with
from services.pipeline.domain.messages import address_of
from services.pipeline.domain.whereabouts import TELLS_WHERE, zones_of
from services.pipeline.instruments import WorkInstruments
from services.pipeline.storage import loading
from shared.contracts.lifecycle_events import ContactAttempted
from shared.contracts.policy import Policy
from shared.kit.database import Database, Transaction


class Contacting:
    """Asks the unit's rules about every outbound attempt, and counts those that they forbid."""

    def __init__(self, database: Database, policy: Policy, instruments: WorkInstruments) -> None:
        self._database = database
        self._policy = policy
        self._instruments = instruments

    def wanted(self, ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
        """Attempts that are about to be made: now, whatever time is said, and not against the rules of that time either. Raises
        `NotAllowed`."""
        now = self._database.clock.now()
        for draft in drafts:
            no = self._of(ledger, lead_id, draft, now)
            if no is None and (then := self._of(ledger, lead_id, draft, draft.occurred_at)) is not None:
                no = then._replace(allowed_at=then.allowed_at and max(then.allowed_at, now))
            if no is not None:
                self._instruments.contacts.labels(no.reason, "refused").inc()
                raise NotAllowed(no)
        return drafts

    def made(self, ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
        """Attempts that were made already: a fact is recorded, with the rule that it broke."""
        told: list[Draft] = []
        for draft in drafts:
            no = self._of(ledger, lead_id, draft, draft.occurred_at)
            if no is not None:
                self._instruments.contacts.labels(no.reason, "made").inc()
            told.append(draft if no is None else draft._replace(data={**draft.data, "against": no.reason}))
        return told

    async def verdict(self, lead_id: UUID, channel: str) -> Verdict | None:
        """Why a lead may not be contacted on a channel now; None where it may."""

        async def work(transaction: Transaction) -> Verdict | None:
            ledger = await loading.lock_groups(transaction, [lead_id])
            await loading.load_stories(transaction, ledger, [lead_id])
            return self._verdict(ledger, lead_id, channel, transaction.now)

        return await self._database.run(work)

    def asked(
        self, ledger: Ledger, lead_id: UUID, channel: str, at: datetime, message_id: UUID | None = None
    ) -> Verdict | None:
        """Why a machine may not contact a lead now, whose story is loaded; None where it may. A no is counted. A message that was
        decided on before does not stand in its own way."""
        no = self._verdict(ledger, lead_id, channel, at, message_id)
        if no is not None:
            self._instruments.contacts.labels(no.reason, "refused").inc()
        return no

    @staticmethod
    def personal(ledger: Ledger, lead_id: UUID) -> dict[str, Any]:
        """Who a lead is, with all that was merged into it."""
        known: dict[str, Any] = {}
        oldest_first = sorted(
            ledger.group(lead_id), key=lambda one: (one.personal_at is not None, one.personal_at, one.lead_id)
        )
        for one in oldest_first:
            known = known_with(known, one.personal)
        return known

    @classmethod
    def address(cls, ledger: Ledger, lead_id: UUID) -> str | None:
        """Where mail reaches a lead, whose story is loaded; None where nowhere, also since some came back for good."""
        return None if is_undeliverable(ledger.facts(lead_id)) else address_of(cls.personal(ledger, lead_id))

    @staticmethod
    def _granted(ledger: Ledger, lead_id: UUID) -> dict[str, bool]:
        root = ledger.root(lead_id)
        released = {one for one, marking in root.state.marks.items() if marking.counts_marked_touches}
        return {
            purpose: bool(fact.data["granted"]) for purpose, fact in standing(ledger.facts(lead_id), released).items()
        }

    def _of(self, ledger: Ledger, lead_id: UUID, draft: Draft, at: datetime) -> Verdict | None:
        if draft.kind is not ContactAttempted or not draft.data.get("outbound", True):
            return None
        return self._verdict(ledger, lead_id, draft.data["kind"], at)

    def _verdict(
        self, ledger: Ledger, lead_id: UUID, channel: str, at: datetime, message_id: UUID | None = None
    ) -> Verdict | None:
        root = ledger.root(lead_id)
        unit = self._policy.unit(root.business_unit)
        own = str(message_id)
        facts = [fact for fact in ledger.facts(lead_id) if fact.data.get("message_id") != own]
        granted = self._granted(ledger, lead_id)
        told: list[Mapping[str, Any]] = [root.personal, *(one.personal for one in ledger.group(lead_id))]
        known = {name: next((one[name] for one in told if one.get(name)), None) for name in TELLS_WHERE}
        return verdict(
            unit.contact,
            channel=channel,
            at=at,
            attempts=attempts_of(facts),
            granted=granted,
            zones=zones_of(known, unit.zone, at),
        )
