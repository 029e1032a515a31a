"""Takes somebody's history in: validated row by row, recorded set by set, each row once however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from services.pipeline.asking import rejected
from services.pipeline.domain.history_import import (
    ABOUT_DEALS,
    deal_of,
    is_of_unnamed_deal,
    of_deal,
    opportunity_of,
    order_of,
    order_told,
    record_row,
)
from services.pipeline.domain.history_rows import HistoryRow, read_row
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused, taken
from services.pipeline.handlers import Handlers
from services.pipeline.storage import by_name, erasures, loading, saving
from shared.contracts.capture_events import Identity
from shared.contracts.identity import external_identity, identity, lead_id_from
from shared.contracts.policy import Policy
from shared.kit.database import Database, Transaction

ROWS_AT_ONCE = 500
"""Rows of one transaction: bounded, so that probes and queries stay alive during an import."""


@dataclass(slots=True)
class Imported:
    """How a batch of history ended; `problems` by the place of the row."""

    accepted: int = 0
    duplicates: int = 0
    problems: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, other: Imported) -> None:
        """Counts a further part in."""
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.problems.update(other.problems)


@dataclass(frozen=True, slots=True)
class Known:
    """A valid row and the identity of the lead it is about."""

    row: HistoryRow
    who: Identity

    @property
    def lead_id(self) -> UUID:
        """The id that the lead has by this identity."""
        return lead_id_from([self.who], self.row.event_id)

    @property
    def deals(self) -> Iterator[tuple[str, str]]:
        """The unit and name of each deal that the row may be about."""
        if self.is_of_the_one_deal:
            yield self.row.business_unit, deal_of(self.lead_id)
            yield self.row.business_unit, self.row.external_id
        elif (name := opportunity_of(self.row)) is not None:
            yield self.row.business_unit, name

    @property
    def is_of_the_one_deal(self) -> bool:
        """Whether the row is about the deal of a lead that has one: it leaves the name out, or gives it the lead's own id."""
        return is_of_unnamed_deal(self.row) or opportunity_of(self.row) == self.row.external_id


@dataclass(frozen=True, slots=True)
class Names:
    """Whose deals and orders are, by unit and name, and which deals the call tells of, None for one that it does not name, with the
    token of whom."""

    deals: dict[tuple[str, str], UUID]
    orders: dict[tuple[str, str], UUID]
    told: Set[tuple[str, str | None, str]]


class HistoryImports:
    """Authoritative history: no rule of ours decides anything from it."""

    def __init__(self, database: Database, policy: Policy, secret: bytes, handlers: Handlers) -> None:
        self._database = database
        self._policy = policy
        self._secret = secret
        self._handlers = handlers

    async def take(self, sender: str, rows: Sequence[object], now: datetime) -> Imported:
        """Records what is new and says what is wrong, earliest first, so that versions follow time within a call."""
        result = Imported()
        valid: list[Known] = []
        for place, raw in enumerate(rows):
            if place % 250 == 249:
                await asyncio.sleep(0)
            try:
                row = read_row(raw, place=place, sender=sender, policy=self._policy, now=now)
            except Refused as refused:
                result.problems[place] = rejected(refused).problem()
                continue
            valid.append(Known(row, self._who(sender, row, row.external_id)))
        valid = await self._known_as_written(sender, valid)
        valid.sort(key=lambda known: (known.row.occurred_at, known.row.place))
        told = {
            (one.row.business_unit, opportunity_of(one.row), one.who.token)
            for one in valid
            if one.row.event in ABOUT_DEALS
        }
        for start in range(0, len(valid), ROWS_AT_ONCE):
            part = valid[start : start + ROWS_AT_ONCE]
            result.add(await self._database.run(partial(self._record, sender=sender, part=part, told=told)))
        return result

    def _who(self, sender: str, row: HistoryRow, external_id: str) -> Identity:
        return identity(self._secret, row.business_unit, "external", external_identity(sender, external_id))

    async def _known_as_written(self, sender: str, rows: list[Known]) -> list[Known]:
        """The rows, those of leads that history once knew by an id as it was written still under it: sent again, they are the same."""
        written = {
            one.row.place: self._who(sender, one.row, one.row.written_id)
            for one in rows
            if one.row.written_id is not None and one.row.written_id != one.row.external_id
        }
        if not written:
            return rows
        asked = {
            (one.row.business_unit, "external", written[one.row.place].token)
            for one in rows
            if one.row.place in written
        }
        known, _ = await self._database.run(lambda tx: loading.identity_owners(tx, asked))
        tokens = {token for _, _, token in known}
        return [
            replace(one, who=who) if (who := written.get(one.row.place)) is not None and who.token in tokens else one
            for one in rows
        ]

    async def _record(
        self, transaction: Transaction, *, sender: str, part: Sequence[Known], told: Set[tuple[str, str | None, str]]
    ) -> Imported:
        await erasures.stand_beside(transaction)
        claims = [(one.row.business_unit, one.who, one.lead_id) for one in part]
        owners, claimed = await loading.claim_identities(transaction, claims, ())
        ledger = await loading.lock_groups(transaction, set(owners.values()))
        await loading.load_stories(transaction, ledger, [lead.lead_id for lead in ledger])
        unknown = {lead_id for lead_id in owners.values() if lead_id not in ledger}
        recorded = {(lead.lead_id, fact.event_id): fact.fingerprint for lead in ledger for fact in lead.facts or ()}
        deals = await by_name.owners(transaction, by_name.DEALS, {deal for one in part for deal in one.deals})
        placed = await by_name.owners(
            transaction,
            by_name.ORDERS,
            {(one.row.business_unit, name) for one in part if (name := order_of(one.row)) is not None},
        )
        done, names = Imported(), Names(deals, placed, told)
        for one in part:
            try:
                self._row(ledger, owners[one.who.token], one, sender, recorded, names, done)
            except Refused as refused:
                done.problems[one.row.place] = rejected(refused).problem()
        await saving.save(transaction, ledger)
        if unknown or claimed:
            await self._handlers.take_up_for(transaction, unknown, claimed)
        return done

    def _row(
        self,
        ledger: Ledger,
        lead_id: UUID,
        one: Known,
        sender: str,
        recorded: dict[tuple[UUID, UUID], str | None],
        names: Names,
        done: Imported,
    ) -> None:
        row = one.row
        root_id = ledger.root(lead_id).lead_id if lead_id in ledger else lead_id
        members = [lead.lead_id for lead in ledger.group(lead_id)] if lead_id in ledger else [lead_id]
        for place in ((member, event_id) for member in members for event_id in row.event_ids):
            if place in recorded:
                before = recorded[place]
                if before is not None and row.contradicts(before):
                    raise _contradicts()
                done.duplicates += 1
                return
        said = opportunity_of(row)
        if one.is_of_the_one_deal:
            row, said = _of_the_one_deal(ledger, root_id, one, names)
        deal = opportunity_of(row)
        if deal is not None and row.event == "order_placed":
            is_told = (row.business_unit, said, one.who.token) in names.told
            if not is_told and (row.business_unit, deal) not in names.deals:
                raise _unknown_deal()
        for what, name, known in (("opportunity", deal, names.deals), ("order", order_of(row), names.orders)):
            if name is not None:
                owner = known.setdefault((row.business_unit, name), lead_id)
                if (ledger.root(owner).lead_id if owner in ledger else owner) != root_id:
                    raise taken(what)
                lead_id = owner  # each has one story, so that an unmerge never tears it apart
        if order_told(ledger, lead_id, row):
            done.duplicates += 1
            return
        record_row(ledger, lead_id, row, sender=sender, unit=self._policy.unit(row.business_unit))
        recorded[lead_id, row.event_id] = row.fingerprint
        done.accepted += 1


def _of_the_one_deal(ledger: Ledger, root_id: UUID, one: Known, names: Names) -> tuple[HistoryRow, str | None]:
    """The row, about the one deal of its lead by the name that it has, and how rows of the call call that one: as it was called
    before, else by the lead's own id where a row does. That id may be an address, and an event is kept for ever: nobody's deal is
    called so by us. So it is one deal whichever of its rows come first."""
    unit, own, made = one.row.business_unit, one.row.external_id, deal_of(one.lead_id)
    for name, said in ((own, own), (made, None)):
        owner = names.deals.get((unit, name))
        if owner is not None and (ledger.root(owner).lead_id if owner in ledger else owner) == root_id:
            return of_deal(one.row, name), said
    is_called_so = (unit, own, one.who.token) in names.told or (unit, None, one.who.token) not in names.told
    return of_deal(one.row, own if is_called_so else made), own if is_called_so else None


def _contradicts() -> Refused:
    return Refused(
        "record_id was sent before with other facts; the first stay.",
        kind="conflict",
        code="conflicting-record",
        field="record_id",
        fix="Give each record an id of its own, or leave record_id out.",
    )


def _unknown_deal() -> Refused:
    return Refused(
        "opportunity_id is not an opportunity of this customer that was told of.",
        kind="invalid",
        code="unknown-opportunity-id",
        field="opportunity_id",
        fix="Send the rows of the opportunity before the order, or with it; or leave opportunity_id out.",
    )
