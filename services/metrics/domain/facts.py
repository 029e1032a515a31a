"""What metrics knows: lifecycle events as plain facts, and which of them take part in counting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.identity import derived_event_id
from shared.contracts.marks import Mark, Marking, of_group

LINKS = frozenset({"LeadMerged", "LeadUnmerged"})
"""Facts that say who is who. They shape the groups and are no part of any story."""

CAPTURES = frozenset({"LeadCreated", "LeadTouched"})

MERGED = "merged"
"""Why a task is done of which a merge showed that the other person had been answered."""

TAKEN_BACK = "TouchTakenBack"
"""What a touch that never happened is in a story, and the one that says so: a moment at which somebody told something."""


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


story_order: Callable[[Fact], tuple[datetime, int, UUID, UUID]] = itemgetter(
    *map(Fact._fields.index, ("occurred_at", "version", "lead_id", "event_id"))
)
"""The order in which facts of one person happened; `version` breaks ties within a lead."""


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
    """What counts: no links, no ids that are held out, no touches under a mark, none that were taken back, and no answers to somebody
    else. A person is held out when each of their ids is."""
    told = list(facts)
    kept = [fact for fact in told if fact.event not in LINKS]
    mark = None
    for fact in kept:
        if fact.event == "LeadMarked" or fact.data.get("mark"):
            kept, mark = _without_marked(kept)
            break
    kept = _without_answers_to_others(told, kept)
    kept.sort(key=story_order)
    taken_back = [fact.data["retracts"] for fact in kept if "retracts" in fact.data]
    return Counted(_without_taken_back(kept, taken_back) if taken_back else kept, mark)


def _without_answers_to_others(told: list[Fact], kept: list[Fact]) -> list[Fact]:
    """Without the ends of tasks that came with a merge, since the other person had been answered, where the two are not one any more:
    the merge stands in the story of the id that it brought here, under another one that is here too. Older ones do not say why they
    are done: they are known by a merge of their own id."""
    done = [fact for fact in kept if fact.event == "FollowUpDone"]
    if not done:
        return kept
    merges: dict[UUID | None, str] = {
        fact.event_id: str(fact.data["into_lead_id"]) for fact in told if fact.event == "LeadMerged"
    }
    here = {str(fact.lead_id) for fact in told} if merges else set()
    gone = {
        fact.event_id
        for fact in done
        if (fact.data.get("reason") == MERGED or fact.causation_id in merges)
        and merges.get(fact.causation_id) not in here
    }
    return [fact for fact in kept if fact.event_id not in gone] if gone else kept


def _without_taken_back(story: list[Fact], retracted: Iterable[str]) -> list[Fact]:
    """The story in which these interactions say nothing but that the lead was taken up for them, which stays, and what takes
    them back says nothing at all. It is knowledge, as who is who is: when it was told does not matter. A capture is no
    interaction."""
    gone = {derived_event_id(UUID(str(one)), "LeadTouched") for one in retracted}
    return [
        fact._replace(event=TAKEN_BACK, data={"moves": True} if fact.data.get("moves") else {})
        if "retracts" in fact.data or (fact.event_id in gone and fact.data.get("kind") != "captured")
        else fact
        for fact in story
    ]


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
