"""The leads that one transaction works on: their stories grow here, versions are given here, merges happen here.

All in memory: `storage` fills a ledger with what it locked and writes back what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.state import LeadState, evolve, fold
from services.pipeline.domain.worklist import Held

NOTHING = LeadState()
"""A lead before its first fact."""


@dataclass(slots=True)
class Lead:
    """One lead id and its story. `state` is that of the whole group on a root and of no use on a merged id.

    `facts` is the own story, None where it was not loaded; `stored` says that the row exists already, `held` what the
    worklist has of it, `worded` what of the person its words were made of, `changed` that its row is to be written.
    """

    lead_id: UUID
    business_unit: str
    root_id: UUID
    merged_into: UUID | None = None
    version: int = 0
    state: LeadState = NOTHING
    personal: dict[str, Any] = field(default_factory=dict)
    personal_at: datetime | None = None
    conflicts: int = 0
    stored: bool = False
    facts: list[Fact] | None = None
    held: Held | None = None
    worded: dict[str, Any] | None = None
    changed: bool = False

    @property
    def is_merged(self) -> bool:
        """Another id is the canonical one."""
        return self.root_id is not self.lead_id and self.root_id != self.lead_id

    def learn(self, personal: dict[str, Any], at: datetime, *, doubtful: bool = False) -> None:
        """Takes over who this is. An older record, or a doubtful one of somebody known, only fills gaps."""
        if self.personal_at is None or (at >= self.personal_at and not doubtful):
            self.personal = known_with(self.personal, personal)
            self.personal_at = at
        else:
            self.personal = known_with(personal, self.personal)


CONTACTS = "contacts"

_EXPLANATIONS = ("as_sent", "suggestions")


def known_with(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """What is known, and more that goes before it. What is told about a field goes with the record that has the field."""
    both = {**known, **more}
    for name in _EXPLANATIONS:
        if name in both:
            gone = more.keys() | more.get("as_sent", {}).keys()
            kept = {field: text for field, text in known.get(name, {}).items() if field not in gone}
            both[name] = {**kept, **more.get(name, {})}
            if not both[name]:
                del both[name]
    if CONTACTS in known and CONTACTS in more:
        both[CONTACTS] = {**known[CONTACTS], **more[CONTACTS]}
    return both


class Entry(NamedTuple):
    """A fact as it was just recorded, with the decision it came from."""

    lead: Lead
    draft: Draft
    fact: Fact


class Ledger:
    """Leads by id, with every member of each merge group present."""

    def __init__(self, leads: Iterable[Lead] = ()) -> None:
        self.entries: list[Entry] = []
        self.apart: set[frozenset[UUID]] = set()
        self.newly_apart: set[frozenset[UUID]] = set()
        self.reconciled: set[frozenset[UUID]] = set()
        # By the ids' numbers: an id itself is hashed and compared by Python, ten times for each event.
        self._leads: dict[int, Lead] = {}
        self._members: dict[int, list[Lead]] = {}
        for lead in leads:
            self.add(lead)

    def __contains__(self, lead_id: UUID) -> bool:
        return lead_id.int in self._leads

    def __getitem__(self, lead_id: UUID) -> Lead:
        return self._leads[lead_id.int]

    def __iter__(self) -> Iterator[Lead]:
        return iter(self._leads.values())

    def changed(self) -> list[Lead]:
        """Those whose rows are to be written, in the order of their ids."""
        return sorted((lead for lead in self._leads.values() if lead.changed), key=lambda lead: lead.lead_id.int)

    def add(self, lead: Lead) -> None:
        """Takes in a lead that storage knows."""
        self._leads[lead.lead_id.int] = lead
        self._members.setdefault(lead.root_id.int, []).append(lead)

    def create(self, lead_id: UUID, business_unit: str) -> Lead:
        """Begins the story of a lead nobody knows yet."""
        lead = Lead(lead_id, business_unit, lead_id, facts=[])
        self.add(lead)
        return lead

    def root(self, lead_id: UUID) -> Lead:
        """The canonical lead of the group that `lead_id` belongs to."""
        lead = self._leads[lead_id.int]
        return lead if not lead.is_merged else self._leads[lead.root_id.int]

    def group(self, lead_id: UUID) -> list[Lead]:
        """All ids that are one person with `lead_id`, itself among them."""
        return list(self._members[self._leads[lead_id.int].root_id.int])

    def story_of(self, lead_id: UUID, draft: Draft) -> UUID:
        """Where to record what is about an order, a deal or a task of the group, or about the lead itself: each has one story, so
        that an unmerge never tears it apart. An order stands in that of its deal."""
        root, data = self.root(lead_id), draft.data
        order = root.state.orders.get(data.get("order_id", ""))
        deal = root.state.deals.get(data.get("opportunity_id", ""))
        if order is not None or deal is not None:
            return order.lead_id if order is not None else deal.lead_id if deal is not None else root.lead_id
        own = draft.lead_id
        return own if own is not None and own in self and self.root(own) is root else root.lead_id

    def facts(self, lead_id: UUID) -> list[Fact]:
        """Everything recorded of the group. Raises `LookupError` where a story was not loaded."""
        facts: list[Fact] = []
        for member in self.group(lead_id):
            if member.facts is None:
                raise LookupError("the story of a member was not loaded")
            facts.extend(member.facts)
        return facts

    def refold(self, lead_id: UUID) -> None:
        """Makes the root's state from the whole history of its group."""
        self.root(lead_id).state = fold(self.facts(lead_id))

    def record(self, lead_id: UUID, draft: Draft) -> Fact:
        """Appends to a lead's story, under its next version, and brings the group's state up to it."""
        lead = self._leads[lead_id.int]
        lead.version += 1
        kind, event_id, occurred_at, _, _, data, fingerprint, _, _ = draft
        # Made so, a named tuple takes half of what calling its class does, for every fact.
        fact = tuple.__new__(Fact, (lead_id, lead.version, kind.__name__, event_id, occurred_at, data, fingerprint))
        if lead.facts is not None:
            lead.facts.append(fact)
        root = lead if not lead.is_merged else self._leads[lead.root_id.int]
        root.state = evolve(root.state, fact)
        self.entries.append(tuple.__new__(Entry, (lead, draft, fact)))
        lead.changed = root.changed = True
        return fact

    def join(self, loser_id: UUID, winner_id: UUID) -> None:
        """Puts the group of one root under another root. Both stories must be loaded."""
        members = self._members.pop(loser_id.int)
        for member in members:
            member.root_id = winner_id
            member.changed = True
        self[loser_id].merged_into = winner_id
        self._members[winner_id.int].extend(members)
        self[winner_id].changed = True
        self.refold(winner_id)

    def part(self, lead_id: UUID) -> None:
        """Takes a merged lead out of its group again, with the ids that were merged into it; they never meet again."""
        old_root = self[lead_id].root_id
        below = self.below(lead_id)
        leaving = [self[member] for member in sorted(below)]
        staying = [member for member in self._members[old_root.int] if member.lead_id not in below]
        self[lead_id].merged_into = None
        for member in leaving:
            member.root_id = lead_id
            member.changed = True
        self._members[old_root.int] = staying
        self._members[lead_id.int] = leaving
        self.newly_apart.update(frozenset((lead_id, other.lead_id)) for other in staying)
        self.apart |= self.newly_apart
        self[old_root].changed = True
        self.refold(old_root)
        self.refold(lead_id)

    def may_join(self, one: UUID, other: UUID) -> bool:
        """False where a person took apart what would come together."""
        if not self.apart:
            return True
        others = self.group(other)
        return not any(
            frozenset((mine.lead_id, theirs.lead_id)) in self.apart for mine in self.group(one) for theirs in others
        )

    def reconcile(self, one: UUID, other: UUID) -> None:
        """Forgets that members of two groups were taken apart: somebody knows better now."""
        pairs = {frozenset((m.lead_id, t.lead_id)) for m in self.group(one) for t in self.group(other)} & self.apart
        self.apart -= pairs
        self.newly_apart -= pairs
        self.reconciled |= pairs

    def below(self, lead_id: UUID) -> set[UUID]:
        """An id and all that were merged into it, directly or not."""
        found = {lead_id}
        members = self.group(lead_id)
        while True:
            more = {one.lead_id for one in members if one.merged_into in found} - found
            if not more:
                return found
            found |= more
