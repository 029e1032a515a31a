"""What metrics knows: lifecycle events as plain facts, and which of them take part in counting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

LINKS = frozenset({"LeadMerged", "LeadUnmerged"})
"""Facts that say who is who. They shape the groups and are no part of any story."""

NOT_COUNTED = frozenset({"test", "spam"})
"""Flags that keep a lead out of every KPI. Its facts are kept."""


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


def flagged(fact: Fact) -> bool:
    """Whether a fact carries a flag that keeps it from being counted."""
    return not NOT_COUNTED.isdisjoint(fact.data.get("flags") or ())


def counted(facts: Iterable[Fact]) -> list[Fact]:
    """The facts that make the story, in order: without links, without leads created under a flag such as `spam`, and
    without single touches under one."""
    kept = [fact for fact in facts if fact.event not in LINKS]
    out = {fact.lead_id for fact in kept if fact.event == "LeadCreated" and flagged(fact)}
    if out or any(fact.event == "LeadTouched" and flagged(fact) for fact in kept):
        kept = [f for f in kept if f.lead_id not in out and not (f.event == "LeadTouched" and flagged(f))]
    kept.sort(key=story_order)
    return kept


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
