"""One batch: which people it is about, before and after, and the difference that makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.contributions import contributions_by
from services.metrics.domain.entries import Entry
from services.metrics.domain.facts import Fact, Link, link_of, roots
from services.metrics.domain.rollups import Delta, Rules


class Story(NamedTuple):
    """The facts of one person and what they count as."""

    facts: Sequence[Fact]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of the people a batch is about: every member of their groups, and every fact of those. `counted` has, by
    root, what some of them are known to count as by these facts."""

    links: Mapping[UUID, Link]
    roots: Mapping[UUID, UUID]
    facts: Sequence[Fact]
    counted: Mapping[UUID, tuple[Entry, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Folded:
    """What to write: links that are newer than the known ones, leads whose root moved, and the change in the numbers. `stories` has
    everybody whom that changes, as they are after it."""

    links: tuple[Link, ...]
    roots: dict[UUID, UUID]
    delta: Delta
    stories: dict[UUID, Story]


def newest_links(known: Mapping[UUID, Link], facts: Iterable[Fact]) -> dict[UUID, Link]:
    """The last word on each lead; a higher version wins, whatever order they are learned in."""
    links = dict(known)
    for fact in facts:
        link = link_of(fact)
        if link is not None and (link.lead_id not in links or link.version > links[link.lead_id].version):
            links[link.lead_id] = link
    return links


def fold(known: Known, new: Iterable[Fact], rules: Rules) -> Folded:
    """The effect of new facts, none of which is known yet."""
    fresh = list(new)
    links = newest_links(known.links, fresh)
    where, moved = known.roots, dict[UUID, UUID]()
    if links != known.links:
        parents = {lead: (links[lead].parent_id if lead in links else None) for lead in {*known.roots, *links}}
        where = roots(parents)
        moved = {lead: root for lead, root in where.items() if known.roots.get(lead) != root}
    before, gained = _by_person(known.facts, known.roots), _by_person(fresh, where)
    kept, people = before, gained.keys()
    if moved:
        kept = _by_person(known.facts, where)
        people = {**before, **kept, **gained}.keys()
    delta = Delta()
    stories: dict[UUID, Story] = {}
    for root in people:
        old, group = before.get(root, []), [*kept.get(root, ()), *gained.get(root, ())]
        if len(old) == len(group) and old == group:
            continue
        counted = known.counted.get(root) if known.counted else None
        entries = _entries(root, group, rules)
        delta.change(_entries(root, old, rules) if counted is None else counted, entries)
        stories[root] = Story(group, entries)
    delta.sum_up(rules)
    newer = tuple(link for lead, link in links.items() if known.links.get(lead) != link)
    return Folded(newer, moved, delta, stories)


def _by_person(facts: Iterable[Fact], where: Mapping[UUID, UUID]) -> dict[UUID, list[Fact]]:
    """Facts by the root of their lead, which is looked up once for each lead."""
    leads: dict[int, list[Fact]] = defaultdict(list)
    for fact in facts:
        leads[fact.lead_id.int].append(fact)
    people: dict[UUID, list[Fact]] = {}
    for own in leads.values():
        root = where[own[0].lead_id]
        if root in people:
            people[root] += own
        else:
            people[root] = own
    return people


def _entries(root: UUID, facts: list[Fact], rules: Rules) -> tuple[Entry, ...]:
    return contributions_by(root, facts, rules) if facts else ()
