"""Whatever order facts come in, in whatever batches and however often: the numbers are those of a computation from
scratch, and those of the past are what they were."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.domain.contributions import contributions, contributions_by, lived
from services.metrics.domain.entries import Entry
from services.metrics.domain.facts import Fact, Link, counted, roots
from services.metrics.domain.folding import Known, fold, newest_links
from services.metrics.domain.rollups import RollupKey, RollupSum, add_up
from services.metrics.storage.remembering import Held, Memory
from shared.contracts.policy import Customers, UnitPolicy
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import day


def rules(unit: str) -> UnitPolicy:
    """Two units with little in common, so that it shows by whose rules somebody counts who was met in both."""
    return TEHRAN if unit == "tehran" else UnitPolicy()


TEHRAN = UnitPolicy(time_zone="Asia/Tehran", currency="IRR", customers=Customers(margin_rate=Decimal("0.25")))


class Store:
    """What storage does, in memory, for two processes that remember what they folded themselves."""

    def __init__(self) -> None:
        self.memories = Memory(most_facts=20), Memory(most_facts=20)
        self.facts: dict[tuple[UUID, UUID], Fact] = {}
        self.links: dict[UUID, Link] = {}
        self.roots: dict[UUID, UUID] = {}
        self.entries: dict[tuple[UUID, str, object], Entry] = {}
        self.sums: dict[RollupKey, RollupSum] = defaultdict(RollupSum)

    def take(self, batch: list[Fact], process: int) -> None:
        fresh = {(f.lead_id, f.event_id): f for f in batch if (f.lead_id, f.event_id) not in self.facts}
        people = {f.lead_id for f in fresh.values()}
        people |= {UUID(f.data["into_lead_id"]) for f in fresh.values() if f.event == "LeadMerged"}
        for lead in people:
            self.roots.setdefault(lead, lead)
        touched = {self.roots[lead] for lead in people}
        members = {lead: root for lead, root in self.roots.items() if root in touched}
        groups: dict[UUID, list[UUID]] = defaultdict(list)
        for lead, root in members.items():
            groups[root].append(lead)
        held = Held(1, Counter(fact.lead_id for fact in self.facts.values()))
        remembered = self.memories[process].find(groups, held)
        known = Known(
            {lead: link for lead, link in self.links.items() if lead in members},
            members,
            [
                *(fact for story in remembered.values() for fact in story.facts),
                *(fact for fact in self.facts.values() if members.get(fact.lead_id) in groups.keys() - remembered),
            ],
            {root: story.entries for root, story in remembered.items()},
        )
        folded = fold(known, list(fresh.values()), rules)
        self.memories[process].keep(1, folded.stories)
        self.facts.update(fresh)
        self.links.update({link.lead_id: link for link in folded.links})
        self.roots.update(folded.roots)
        for key in folded.delta.removed:
            del self.entries[key]
        self.entries.update(
            {(one.root_id, one.key, one.valid_from): one for one in (*folded.delta.replaced, *folded.delta.added)}
        )
        for rollup, change in folded.delta.sums.items():
            kept = self.sums[rollup]
            kept.count += change.count
            kept.durations += change.durations
            kept.duration_microseconds += change.duration_microseconds
            kept.amount += change.amount


def from_scratch(facts: list[Fact]) -> tuple[set[Entry], dict[RollupKey, RollupSum]]:
    links = newest_links({}, facts)
    leads = {fact.lead_id for fact in facts} | {link.parent_id for link in links.values() if link.parent_id}
    parents = {lead: links[lead].parent_id if lead in links else None for lead in leads}
    groups: dict[UUID, list[Fact]] = defaultdict(list)
    where = roots(parents)
    for fact in facts:
        groups[where[fact.lead_id]].append(fact)
    entries = [one for root, group in groups.items() for one in contributions_by(root, group, rules)]
    sums: dict[RollupKey, RollupSum] = {}
    add_up(sums, entries, rules)
    return set(entries), {key: total for key, total in sums.items() if total}


def in_any_order_gives_the_numbers_from_scratch(random: Random, facts: list[Fact], most: int) -> None:
    """Facts in any order, some of them twice, in batches of at most so many."""
    told = [*facts, *random.sample(facts, len(facts) // 3)]
    random.shuffle(told)
    store = Store()
    while told:
        size = random.randint(1, most)
        store.take(told[:size], random.randint(0, 1))
        del told[:size]
    entries, sums = from_scratch(facts)
    assert set(store.entries.values()) == entries
    assert {key: total for key, total in store.sums.items() if total} == sums


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_in_any_batches_with_repeats_gives_the_numbers_from_scratch(random: Random, leads: int) -> None:
    facts = history(random, leads)
    in_any_order_gives_the_numbers_from_scratch(random, facts, 6)


def apart_from_time(one: Entry) -> Entry:
    """What an entry says, whenever it holds, but for what is known of a lead from the beginning."""
    return one._replace(valid_from=day(0), valid_to=None, score=None, probability=None)


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_past_moment_shows_what_had_happened_by_then(random: Random) -> None:
    """All but what the lead was told first, which is known of it from the beginning."""
    known = counted(history(random, 2, ("default",)))
    root = UUID(int=1)
    entries = lived(root, known, currency="EUR")
    for now in {fact.occurred_at for fact in known.story}:
        then = {
            apart_from_time(one)
            for one in entries
            if one.valid_from <= now and (one.valid_to is None or one.valid_to > now)
        }
        before = lived(
            root, known._replace(story=[fact for fact in known.story if fact.occurred_at <= now]), currency="EUR"
        )
        assert then == {apart_from_time(one) for one in before if one.valid_to is None}


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_keys_are_unique_at_any_moment(random: Random) -> None:
    entries = contributions(UUID(int=1), history(random, 3, ("default",)), currency="EUR")
    assert len({(one.key, one.valid_from) for one in entries}) == len(entries)
    assert all(one.valid_to is None or one.valid_from < one.valid_to for one in entries)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 7)), max_size=7))
def test_roots_are_transitive_and_the_same_for_a_whole_ring(pairs: list[tuple[int, int]]) -> None:
    parents: dict[UUID, UUID | None] = {UUID(int=number): None for number in range(8)}
    parents.update({UUID(int=child): UUID(int=parent) for child, parent in pairs if child != parent})
    found = roots(parents)
    for lead, parent in parents.items():
        assert found[lead] == found[parent or lead]
        assert found[found[lead]] == found[lead]
