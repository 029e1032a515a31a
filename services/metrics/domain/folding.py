"""One batch: which people it is about, before and after, and the difference that makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Entry
from services.metrics.domain.facts import Fact, Link, link_of, roots
from services.metrics.domain.rollups import Delta, Rules


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of the people a batch is about: every member of their groups, and every fact of those."""

    links: Mapping[UUID, Link]
    roots: Mapping[UUID, UUID]
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Folded:
    """What to write: links that are newer than the known ones, leads whose root moved, and the change in the numbers."""

    links: tuple[Link, ...]
    roots: dict[UUID, UUID]
    delta: Delta


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
    if links == known.links:
        after_roots = dict(known.roots)
    else:
        parents = {lead: (links[lead].parent_id if lead in links else None) for lead in {*known.roots, *links}}
        after_roots = roots(parents)
    before: dict[UUID, list[Fact]] = defaultdict(list)
    after: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in known.facts:
        before[known.roots[fact.lead_id]].append(fact)
        after[after_roots[fact.lead_id]].append(fact)
    for fact in fresh:
        after[after_roots[fact.lead_id]].append(fact)
    delta = Delta()
    for root in dict.fromkeys((*before, *after)):
        old, group = before.get(root, []), after.get(root, [])
        if len(old) == len(group) and old == group:
            continue
        delta.change(_entries(root, old, rules), _entries(root, group, rules))
    delta.sum_up(rules)
    moved = {lead: root for lead, root in after_roots.items() if known.roots.get(lead) != root}
    newer = tuple(link for lead, link in links.items() if known.links.get(lead) != link)
    return Folded(newer, moved, delta)


def _entries(root: UUID, facts: list[Fact], rules: Rules) -> tuple[Entry, ...]:
    if not facts:
        return ()
    unit = rules(facts[0].business_unit)
    return contributions(root, facts, currency=unit.currency, margin_rate=unit.customers.margin)
