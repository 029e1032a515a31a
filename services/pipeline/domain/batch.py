"""One batch of records in memory: the leads they touch, what was seen before, what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar
from uuid import UUID

from services.pipeline.domain.due import Task
from services.pipeline.domain.erasure import Erased, Extension, erased_by, names_of
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.fingerprints import contradicts
from services.pipeline.domain.ledger import Ledger
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.visit_events import visitor_of

R = TypeVar("R")


@dataclass(slots=True)
class Pending(Generic[R]):
    """A record whose lead is not known. `stored` says that it waits in the database already, `place` when it arrived, and
    `fingerprint` what it said where it does not say it any more."""

    lead_id: UUID
    event_id: UUID
    tokens: tuple[str, ...]
    record: R
    stored: bool
    taken: bool = False
    place: int = 0
    fingerprint: str | None = None


@dataclass(slots=True)
class Batch(Generic[R]):
    """What the rules of one batch see and change. `causes` tells in whose story each known cause is and what it said, by the number of its id; `qualified`
    are the leads that somebody has to get now, `unanswered` what is open, as that a lead is answered, by their id and what is to be done, `again` what was captured of somebody known, `joined` the ids that were merged into others, `retracted` the interactions that were taken back, `visitors` those whom a lead turned out to be, with a day of that."""

    ledger: Ledger
    owners: dict[str, UUID]
    causes: dict[int, tuple[UUID, str | None]] = field(default_factory=dict)
    duplicates: list[R] = field(default_factory=list)
    conflicts: int = 0
    pending: list[Pending[R]] = field(default_factory=list)
    learned: list[UUID] = field(default_factory=list)
    erased: dict[str, Erased] = field(default_factory=dict)
    extensions: list[Extension] = field(default_factory=list)
    qualified: list[tuple[UUID, Draft]] = field(default_factory=list)
    unanswered: dict[tuple[UUID, str], Task] = field(default_factory=dict)
    again: list[LeadCaptured] = field(default_factory=list)
    joined: list[UUID] = field(default_factory=list)
    retracted: set[UUID] = field(default_factory=set)
    visitors: dict[tuple[UUID, UUID], date] = field(default_factory=dict)
    _under_lead: dict[int, list[Pending[R]]] = field(default_factory=dict)
    _under_token: dict[str, list[Pending[R]]] = field(default_factory=dict)
    _waiting: set[tuple[int, int]] = field(default_factory=set)

    def remember(self, event_id: UUID, lead_id: UUID, fingerprint: str | None) -> None:
        """Notes that a cause is a fact now."""
        self.causes[event_id.int] = lead_id, fingerprint

    def knows(self, event_id: UUID) -> bool:
        """Whether a cause is a fact already."""
        return event_id.int in self.causes

    def is_repeated(self, event_id: UUID, fingerprint: str | None) -> bool:
        """Whether a cause is a fact already. One that says something else now is counted on the lead it made."""
        known = self.causes.get(event_id.int)
        if known is None:
            return False
        lead_id, before = known
        if before is not None and fingerprint is not None and contradicts(before, fingerprint):
            self.conflicts += 1
            if lead_id in self.ledger:
                self.ledger[lead_id].conflicts += 1
                self.ledger[lead_id].changed = True
        return True

    def lead_for(self, tokens: Iterable[str]) -> UUID | None:
        """The known lead that an interaction belongs to by an identity; nobody's yet is None."""
        for token in tokens:
            owner = self.owners.get(token)
            if owner is not None and owner in self.ledger:
                return owner
        return None

    def notice(self, event: InteractionRecorded, lead_id: UUID) -> None:
        """Notes that a lead was a visitor by whose id nobody is known: no lead has it, since who did something is known otherwise."""
        for one in event.identities:
            if one.kind == "visitor" and one.token not in self.owners:
                self.visitors.setdefault((visitor_of(one.token), lead_id), event.occurred_at.date())

    def erased_by(self, event: LeadCaptured | InteractionRecorded) -> Erased | None:
        """The erasure that reaches an event. That it has an identity in common with somebody whom a person said to be
        somebody else does not count."""
        if not self.erased:
            return None
        names = [name for name in names_of(event) if not self._is_of_another(event.lead_id, name)]
        return erased_by(self.erased, names, event.recorded_at)

    def _is_of_another(self, lead_id: UUID, name: str) -> bool:
        owner = self.owners.get(name)
        known = owner is not None and owner in self.ledger and lead_id in self.ledger
        return owner is not None and known and not self.ledger.may_join(lead_id, owner)

    def extend(self, by: Erased, event: LeadCaptured | InteractionRecorded, *, joined: bool) -> None:
        """Notes that an event that was recorded before its person was erased told more names of theirs."""
        names = names_of(event)
        if joined or any(name not in self.erased or self.erased[name].until < by.until for name in names):
            members = (
                {one.lead_id for one in self.ledger.group(event.lead_id)} if event.lead_id in self.ledger else set()
            )
            self.extensions.append(Extension(by, frozenset({event.lead_id, *members}), frozenset(names[1:])))

    def wait(self, pending: Pending[R]) -> bool:
        """Keeps a record until its lead is known. False when the same one waits already."""
        place = (pending.lead_id.int, pending.event_id.int)
        if place in self._waiting:
            return False
        self._waiting.add(place)
        pending.place = len(self.pending)
        self.pending.append(pending)
        self._under_lead.setdefault(place[0], []).append(pending)
        for token in pending.tokens:
            self._under_token.setdefault(token, []).append(pending)
        return True

    def take_up(self, lead_id: UUID, tokens: Iterable[str]) -> list[Pending[R]]:
        """What waited for this lead, in order of arrival, taken."""
        if not self.pending:
            return []
        found = list(self._under_lead.get(lead_id.int, ()))
        for token in tokens:
            found.extend(self._under_token.get(token, ()))
        if not found:
            return []
        fresh = sorted({one.place: one for one in found if not one.taken}.values(), key=lambda one: one.place)
        for one in fresh:
            one.taken = True
        return fresh


def components(ledger: Ledger, links: Mapping[UUID, Iterable[UUID]]) -> set[UUID]:
    """The known leads that this batch may bring together with another root, so that their stories are needed.

    `links` says which owners of identities each lead of the batch meets. Leads that meet only themselves are left out.
    """
    parent: dict[UUID, UUID] = {}

    def find(one: UUID) -> UUID:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def canonical(lead_id: UUID) -> UUID:
        return ledger.root(lead_id).lead_id if lead_id in ledger else lead_id

    met: set[UUID] = set()
    for lead_id, owners in links.items():
        for owner in owners:
            one, other = find(canonical(lead_id)), find(canonical(owner))
            if one != other:
                parent[one] = other
            if canonical(lead_id) != canonical(owner):
                met.add(lead_id)
    meeting = {find(canonical(lead_id)) for lead_id in met}
    return {one for one in parent if find(one) in meeting and one in ledger}
