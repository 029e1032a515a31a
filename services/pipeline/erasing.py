"""Forgetting a person: found by what they gave us, erased in one transaction with the order that tells everybody else, and
erased once more wherever the order is read, as after a restored database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.contact_people import forget_contacts
from services.pipeline.domain.contacts import recognised_by
from services.pipeline.domain.due import Cause, cancelled
from services.pipeline.domain.erasure import Erased, check_reason, forgotten
from services.pipeline.domain.follow_up import ERASED
from services.pipeline.domain.refusals import Refused
from services.pipeline.storage import contacts, erasures, hygiene, loading, matches, saving, tasks, visits
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.identity import Tokens, email_identity, event_id_from, external_identity, phone_identity
from shared.contracts.personal import REDACTED
from shared.contracts.policy import Policy
from shared.contracts.tokens import clean_token, spellings
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.database import Database, Transaction
from shared.kit.ids import new_id
from shared.kit.redaction import letters_naming, redact_naming

Fingerprint = Callable[[Any], str]
"""What a captured event said, keyed and hashed."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by one thing that recognises them. Without a unit they are looked for in all."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    sender: str = "import"
    visitor_id: str | None = None
    lead_id: UUID | None = None
    business_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Under which names a person is known. `lead_ids` are those that pipeline has."""

    lead_ids: frozenset[UUID]
    names: frozenset[str]

    @property
    def tokens(self) -> list[str]:
        """The keyed hashes of their identities."""
        return sorted(name for name in self.names if len(name) != 36)

    @property
    def ids(self) -> list[UUID]:
        """Lead ids, visitors that they turned out to be among them."""
        return _ids(self.names)


class Erasing:
    """Who is looked for, found, and forgotten."""

    def __init__(self, database: Database, policy: Policy, secret: bytes, fingerprint: Fingerprint) -> None:
        self._database = database
        self._policy = policy
        self._tokens = Tokens(secret)
        self._fingerprint = fingerprint

    async def find(self, person: Person) -> Found:
        """All that is one person with who is asked for, by merges in either direction and by visits. Somebody whom nobody
        knows has the names all the same: what is under way may be of them."""
        return await found(self._database, self._names(person, await self._units_of(person)))

    async def held(self, names: Collection[str], until: datetime | None = None) -> dict[str, int]:
        """How much of somebody is kept here now; with a moment, of what was recorded up to it. Of a lead that was erased
        since, what is known was said after that."""
        waiting = await erasures.waiting_of(self._database, names, until)
        letters = await letters_naming(self._database, names, REDACTED, until)
        return {
            **await erasures.held(self._database, names, until),
            "waiting": len(waiting),
            "dead_letters": len(letters),
            "visits": len(await visits.of(self._database, names, until)),
            "contacts": len(await contacts.named(self._database, names, until, _ids(names))),
        }

    async def contact_of(self, names: Collection[str]) -> list[dict[str, Any]]:
        """What is kept of somebody where they are a contact of another's lead: all that was said of them there, and of that lead
        its id. What was said of whoever had the contact's place before or has it now is theirs."""
        told: list[dict[str, Any]] = []
        for row in await contacts.said_of(
            self._database, await contacts.named(self._database, names, None, _ids(names))
        ):
            unit = row.business_unit
            by = recognised_by(row.said, self._policy.unit(unit))
            if any(self._tokens.token(unit, one.kind, one.value) in names for one in by):
                about = {name: getattr(row, name) for name in ("lead_id", "contact_id", "occurred_at", "role")}
                told.append({**about, **row.said})
        return told

    async def letters(self, names: Collection[str]) -> list[str]:
        """What dead letters say of somebody."""
        letters = await letters_naming(self._database, names, REDACTED)
        return [bytes(letter.value).decode("utf-8", "backslashreplace") for letter in letters]

    async def erase(self, person: Person, *, reason: str, actor: str, key: str | None) -> UUID:
        """Forgets a person. Sent again under its key it is the same erasure. Raises `Refused`, also where the key was used for
        somebody else: they would be thought erased."""
        check_reason(reason)
        asked = self._names(person, await self._units_of(person))
        erasure_id = event_id_from("pipeline-erasures", key) if key else new_id()

        async def work(tx: Transaction) -> None:
            await erasures.stand_alone(tx)
            known = await found(tx, asked)
            if before := await erasures.erasures(tx, erasure_id=erasure_id):
                if not _is_of(before[0], asked, known, await erasures.erased(tx, asked)):
                    raise _used_for_another()
                return
            order = ErasureOrdered(
                event_id=erasure_id,
                lead_id=known.ids[0] if known.ids else erasure_id,
                business_unit=person.business_unit or "all",
                occurred_at=tx.now,
                recorded_at=tx.now,
                correlation_id=erasure_id,
                erasure_id=erasure_id,
                until=tx.now,
                lead_ids=tuple(known.ids),
                tokens=tuple(known.tokens),
                actor=actor,
                reason=reason,
            )
            erased = await apply(tx, order, known, self._fingerprint)
            await erasures.announce(tx, order, erased.ids, erased.tokens)

        await self._database.run(work)
        return erasure_id

    async def _units_of(self, person: Person) -> list[str]:
        if person.business_unit:
            return [person.business_unit]
        named = ["default", *self._policy.business_units]
        return list(dict.fromkeys([*named, *await erasures.units(self._database)]))

    def _names(self, person: Person, units: Collection[str]) -> set[str]:
        names: set[str] = set()
        if person.lead_id is not None:
            names.add(str(person.lead_id))
        if person.email is not None:
            if (address := email_identity(read_email(person.email) or "")) is None:
                raise _recognises_nobody("email", "Send a personal address alone, such as name@example.com.")
            names |= {self._tokens.token(unit, "email", address) for unit in units}
        if person.phone is not None:
            read = read_phone(person.phone, None)
            if read is None or (number := phone_identity(read[0])) is None:
                raise _recognises_nobody("phone", "Send the number in international form, such as +31612345678.")
            names |= {self._tokens.token(unit, "phone", number) for unit in units}
        if person.external_id is not None:
            for written in spellings(person.external_id):
                value = external_identity(person.sender, written)
                names |= {self._tokens.token(unit, "external", value) for unit in units}
        if person.visitor_id is not None:
            names |= {self._tokens.token(unit, "visitor", clean_token(person.visitor_id)) for unit in units}
        return names


async def found(source: erasures.Source, names: Collection[str]) -> Found:
    """Everybody who is one person with these names, and all their names: also those of visits that nobody was known by. To erase
    them it is asked while nobody records: whom a batch makes known meanwhile would be kept."""
    lead_ids = await erasures.groups(source, await erasures.owners(source, names))
    known = {*names, *await erasures.names_of(source, lead_ids)}
    return Found(frozenset(lead_ids), frozenset(known | await erasures.unjoined(source, known)))


async def take_order(tx: Transaction, order: ErasureOrdered, fingerprint: Fingerprint) -> bool:
    """Does what an order on the log says, where this database has not done it. False where it had."""
    by = Erased(order.until, order.erasure_id)
    told = {*map(str, order.lead_ids), *order.tokens}
    known = await erasures.erased(tx, told)
    done = told <= {name for name, one in known.items() if one.until >= by.until}
    if done and await erasures.erasures(tx, erasure_id=order.erasure_id):
        return False
    await erasures.stand_alone(tx)
    person = await found(tx, told)
    erased = await apply(tx, order, person, fingerprint)
    if not erased.names <= told:
        await erasures.announce(tx, order, erased.ids, erased.tokens)
    return True


async def apply(tx: Transaction, order: ErasureOrdered, person: Found, fingerprint: Fingerprint) -> Found:
    """Forgets what is kept here of a person and was recorded up to the order's moment. Answers with who that turned out to
    be. Of a lead that was erased up to then before, all that is known was said since, and stays."""
    by = Erased(order.until, order.erasure_id)
    ledger = await loading.lock_groups(tx, person.lead_ids)
    lead_ids = {lead.lead_id for lead in ledger}
    names = {*person.names, *map(str, lead_ids)}
    await loading.load_stories(tx, ledger, lead_ids)
    fresh = await erasures.mark(tx, names, by)
    draft = forgotten(by)
    counts = {"leads": 0}
    for lead in list(ledger):
        if str(lead.lead_id) not in fresh:
            continue
        counts["leads"] += bool(lead.personal)
        lead.personal, lead.personal_at = {}, None
        lead.changed = True
        if all(fact.event_id != draft.event_id for fact in lead.facts or ()):
            ledger.record(lead.lead_id, draft)
    gone = Cause(order.erasure_id, order.erasure_id, order.until)
    for task in await tasks.open_tasks(tx, [lead_id for lead_id in lead_ids if str(lead_id) in fresh]):
        called_off = cancelled(gone, task, ERASED)
        ledger.record(ledger.story_of(task.lead_id, called_off), called_off)
    await saving.save(tx, ledger)
    counts["notes_and_proofs"] = await erasures.forget_asides(
        tx, [lead_id for lead_id in lead_ids if str(lead_id) in fresh]
    )
    await hygiene.forget(tx, [lead_id for lead_id in lead_ids if str(lead_id) in fresh])
    await matches.forget(tx, [lead_id for lead_id in lead_ids if str(lead_id) in fresh])
    if others := await forget_contacts(tx, names, by, lead_ids):
        counts["contacts"] = others
    await visits.forget(tx, fresh, by)
    waiting = await erasures.waiting_of(tx, names, by.until)
    await erasures.strip_waiting(tx, [stripped(row, fingerprint) for row in waiting])
    counts["waiting"] = len(waiting)
    counts["dead_letters"] = await redact_naming(tx, names, by.until, REDACTED)
    await erasures.record(tx, order, lead_ids, counts)
    return Found(frozenset(lead_ids), frozenset(names))


def stripped(row: Any, fingerprint: Fingerprint) -> tuple[UUID, UUID, bytes, str]:
    """What waits, as it is to be kept: by the hash of all that it said."""
    value = bytes(row.value)
    return row.lead_id, row.event_id, value, fingerprint(CAPTURE_LEADS.parse(value))


def _is_of(before: Any, asked: Collection[str], known: Found, erased: Mapping[str, Erased]) -> bool:
    """Whether an erasure on record is that of whoever is asked for: it reached all these names, whichever erasure has
    reached them since."""
    if any(name not in erased or erased[name].until < before.until for name in asked):
        return False
    by_it = any(one.erasure_id == before.erasure_id for one in erased.values())
    return by_it or not known.lead_ids.isdisjoint(before.lead_ids)


def _ids(names: Collection[str]) -> list[UUID]:
    return sorted(UUID(name) for name in names if len(name) == 36)


def _used_for_another() -> Refused:
    return Refused(
        "This Idempotency-Key was used for the erasure of somebody else, and nobody was erased now.",
        kind="conflict",
        code="idempotency-key-reused",
        field="Idempotency-Key",
        fix="Send this one under a key of its own.",
    )


def _recognises_nobody(field: str, fix: str) -> Refused:
    return Refused(
        f"{field} is nothing that recognises a person.",
        kind="invalid",
        code="no-identity",
        field=field,
        fix=fix,
    )
