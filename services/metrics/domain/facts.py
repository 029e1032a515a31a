"""What metrics knows: lifecycle events as plain facts, and which of them take part in counting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.marks import Mark, Marking, of_group

LINKS = frozenset({"LeadMerged", "LeadUnmerged"})
"""Facts that say who is who. They shape the groups and are no part of any story."""

CAPTURES = frozenset({"LeadCreated", "LeadTouched"})


class Fact(NamedTuple):
    """One lifecycle event. `data` holds what is particular to its kind, without the envelope."""

    lead_id: UUID
    event_id: UUID
    version: int
    event: str
    occurred_at: datetime
    recorded_at: datetime
    causation_id: UUID | None
    business_unit: str
    data: Mapping[str, Any]


class Link(NamedTuple):
    """The last word on whether a lead is another: `parent_id` None says it stands for itself."""

    lead_id: UUID
    parent_id: UUID | None
    version: int


def story_order(fact: Fact) -> tuple[datetime, int, UUID, UUID]:
    """The order in which facts of one person happened; `version` breaks ties within a lead."""
    return (fact.occurred_at, fact.version, fact.lead_id, fact.event_id)


def link_of(fact: Fact) -> Link | None:
    """What a fact says about who its lead is, or None."""
    if fact.event == "LeadMerged":
        return Link(fact.lead_id, UUID(str(fact.data["into_lead_id"])), fact.version)
    if fact.event == "LeadUnmerged":
        return Link(fact.lead_id, None, fact.version)
    return None


def marking_of(facts: Iterable[Fact]) -> Marking:
    """What the facts of one lead id say about its mark. Only what creates a lead shows that it is real."""
    marking = Marking()
    for fact in facts:
        if fact.event == "LeadCreated" or (fact.event == "LeadTouched" and fact.data.get("kind") == "captured"):
            marking = marking.captured(fact.data.get("mark"))
        elif fact.event == "LeadMarked":
            marking = marking.said(fact.data.get("mark"), fact.version)
    return marking


class Counted(NamedTuple):
    """The facts that make the story of one person, in order, and why there is none where the person is held out: then the
    story is what it would be."""

    story: list[Fact]
    mark: Mark | None


def counted(facts: Iterable[Fact]) -> Counted:
    """What counts: no links, no ids that are held out, no touches under a mark. A person is held out when each of their
    ids is."""
    kept = [fact for fact in facts if fact.event not in LINKS]
    mark = None
    if any(fact.event == "LeadMarked" or fact.data.get("mark") for fact in kept):
        kept, mark = _without_marked(kept)
    kept.sort(key=story_order)
    return Counted(kept, mark)


def _without_marked(facts: list[Fact]) -> tuple[list[Fact], Mark | None]:
    by_lead: dict[UUID, list[Fact]] = {}
    for fact in facts:
        by_lead.setdefault(fact.lead_id, []).append(fact)
    markings = {lead_id: marking_of(of_lead) for lead_id, of_lead in by_lead.items()}
    mark = of_group(markings.values())
    kept: list[Fact] = []
    for lead_id, of_lead in by_lead.items():
        marking = markings[lead_id]
        if marking.mark is not None and mark is None:
            continue
        everything = mark is not None or marking.counts_marked_touches
        kept += [
            fact
            for fact in of_lead
            if fact.event != "LeadMarked" and (everything or fact.event not in CAPTURES or not fact.data.get("mark"))
        ]
    return kept, mark


def roots(parents: Mapping[UUID, UUID | None]) -> dict[UUID, UUID]:
    """Each lead's canonical id: parents followed to their end. Leads that point at each other in a ring share the
    smallest id of the ring, so that any order of learning gives the same root."""
    found: dict[UUID, UUID] = {}
    for lead in parents:
        path: list[UUID] = []
        at: UUID = lead
        while at not in found:
            if at in path:
                found[at] = min(path[path.index(at) :])
                break
            parent = parents.get(at)
            if parent is None:
                found[at] = at
                break
            path.append(at)
            at = parent
        root = found[at]
        for step in path:
            found[step] = root
        found[lead] = root
    return found
