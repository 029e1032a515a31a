"""What a number was made of at an earlier moment, and what was learned since: each fact is of one kind, and the number can be made with
any kinds of it and without the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.contributions import contributions_by
from services.metrics.domain.decomposing import Group
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.facts import LINKS, Fact, roots, story_order
from services.metrics.domain.folding import newest_links
from services.metrics.domain.rollups import Rules


class Kind(StrEnum):
    """What a fact changed that was learned after a moment."""

    SINCE = "since"
    LATE = "late"
    MERGES = "merges"
    MARKS = "marks"
    REOPENINGS = "reopenings"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Moments:
    """Two moments of knowledge, and the versions of the policy that qualified leads before the first."""

    first: datetime
    last: datetime
    versions: frozenset[str] = frozenset()


Kinds = frozenset[Kind]


class Place(NamedTuple):
    """Of what a sum is: of which group, which measure, in which currency; of open deals that count by their chance, in which stage of
    which unit's pipeline; of a curve, since when, how long it took, and whether that ended before it began."""

    group: Group
    measure: Measure
    currency: str
    stage: tuple[str, str | None, str | None] | None = None
    wait: tuple[datetime, float | None, bool] | None = None


@dataclass(slots=True)
class Sum:
    """What entries add up to, in whole numbers and decimals. `at` is when they are of, in microseconds since the epoch."""

    n: int = 0
    durations: int = 0
    microseconds: int = 0
    amount: Decimal = Decimal(0)
    negative: int = 0
    at: int = 0

    def add(self, other: Sum, sign: int = 1) -> None:
        """Adds another, or takes it away."""
        self.n += sign * other.n
        self.durations += sign * other.durations
        self.microseconds += sign * other.microseconds
        self.amount += sign * other.amount
        self.negative += sign * other.negative
        self.at += sign * other.at


Sums = dict[Place, Sum]
Counts = Callable[[Entry, datetime], Place | None]
"""Where an entry counts at a moment; None where it does not."""

FactId = tuple[UUID, UUID]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def add_up(sums: Sums, entries: Iterable[Entry], counts: Counts, moment: datetime) -> None:
    """Adds entries that count at a moment."""
    for entry in entries:
        place = counts(entry, moment)
        if place is not None:
            seconds = entry.duration_seconds
            one = Sum(
                1,
                seconds is not None,
                0 if seconds is None else round(seconds * 1_000_000),
                entry.amount or Decimal(0),
                entry.negative,
                (entry.at - EPOCH) // MICROSECOND,
            )
            sums.setdefault(place, Sum()).add(one)


@dataclass(slots=True)
class Learned:
    """What all the people add up to who have something new, by the kinds of it that they have and the kinds that are taken in;
    how many facts there were of each kind; and what these people add up to by all that is known today. Sums are of each moment of
    `counted_at`."""

    counted_at: tuple[datetime, ...]

    sums: dict[Kinds, dict[tuple[Kinds, datetime], Sums]] = field(default_factory=dict)
    facts: dict[Kind, int] = field(default_factory=lambda: defaultdict(int))
    people: dict[Kind, int] = field(default_factory=lambda: defaultdict(int))
    today: dict[datetime, Sums] = field(default_factory=lambda: defaultdict(dict))

    def take(
        self,
        facts: Sequence[Fact],
        moments: Moments,
        rules: Rules,
        counts: Counts,
    ) -> None:
        """The facts of people who are, or were, one person."""
        kinds = kinds_of(facts, moments)
        met = Kinds(kinds.values())
        for kind in kinds.values():
            self.facts[kind] += 1
        for kind in met:
            self.people[kind] += 1
        known = [fact for fact in facts if is_known(fact, moments.last)]
        into = self.sums.setdefault(met, {})
        entries: list[Entry] = []
        for taken in subsets(met):
            story = [fact for fact in known if kinds.get((fact.lead_id, fact.event_id)) in (None, *taken)]
            entries = list(_held(story, rules, None))
            for moment in self.counted_at:
                add_up(into.setdefault((taken, moment), {}), entries, counts, moment)
        if len(known) < len(facts):
            entries = list(_held(facts, rules, moments.last))
        for moment in self.counted_at:
            add_up(self.today[moment], entries, counts, moment)  # the last choice is everything

    def at(self, taken: Kinds, moment: datetime, others: Sums) -> Sums:
        """What everything adds up to at a moment with some kinds of what was learned; `others` are those who have nothing new."""
        found: Sums = {place: Sum() for place in others}
        parts = [others, *(by_taken[taken & met, moment] for met, by_taken in self.sums.items())]
        for part in parts:
            for place, one in part.items():
                found.setdefault(place, Sum()).add(one)
        return found


def subsets(kinds: Collection[Kind]) -> list[Kinds]:
    """Every choice of some of them."""
    ordered = sorted(kinds)
    return [Kinds(some) for size in range(len(ordered) + 1) for some in combinations(ordered, size)]


def is_known(fact: Fact, moment: datetime) -> bool:
    """Whether a fact is learned and has happened by a moment. Who is who is knowledge, whenever it is said to have happened."""
    return fact.recorded_at <= moment and (
        fact.occurred_at <= moment or fact.event in LINKS or fact.event == "LeadMarked"
    )


def kinds_of(facts: Iterable[Fact], moments: Moments) -> dict[FactId, Kind]:
    """What each fact is that is known at the last moment and was not at the first, by its id."""
    found: dict[FactId, Kind] = {}
    closed: set[str] = set()
    for fact in sorted(facts, key=story_order):
        deal = str(fact.data.get("opportunity_id"))
        reopens = fact.event == "LeadReopened" or (fact.event == "StageChanged" and deal in closed)
        if fact.event in ("OpportunityWon", "OpportunityLost"):
            closed.add(deal)
        elif fact.event == "StageChanged":
            closed.discard(deal)
        if is_known(fact, moments.last) and not is_known(fact, moments.first):
            found[fact.lead_id, fact.event_id] = _kind(fact, moments, reopens=reopens)
    return found


def _kind(fact: Fact, moments: Moments, *, reopens: bool) -> Kind:
    if fact.event in LINKS:
        return Kind.MERGES
    if fact.event == "LeadMarked":
        return Kind.MARKS
    if reopens:
        return Kind.REOPENINGS
    version = fact.data.get("policy_version")
    if fact.event == "LeadQualified" and fact.data.get("automatic") and version and version not in moments.versions:
        return Kind.POLICY
    return Kind.SINCE if fact.occurred_at > moments.first else Kind.LATE


def _held(facts: Sequence[Fact], rules: Rules, as_of: datetime | None) -> Iterable[Entry]:
    """What facts of people who may be one count as, by what these facts say of who is who; at a moment, or until further
    notice."""
    links = newest_links({}, facts)
    everybody = (
        {fact.lead_id for fact in facts} | set(links) | {one.parent_id for one in links.values() if one.parent_id}
    )
    where = roots({lead: links[lead].parent_id if lead in links else None for lead in everybody})
    people: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in facts:
        people[where[fact.lead_id]].append(fact)
    for root, own in people.items():
        for entry in contributions_by(root, own, rules):
            if as_of is None:
                held = entry.valid_to is None
            else:
                held = entry.valid_from <= as_of and (entry.valid_to is None or entry.valid_to > as_of)
            if held:
                yield entry


def components(facts: Mapping[UUID, Sequence[Fact]]) -> list[list[Fact]]:
    """People with their facts, those together who are, were or may have been one by any merge there ever was."""
    joined: dict[UUID, UUID] = {lead: lead for lead in facts}

    def first(lead: UUID) -> UUID:
        while joined[lead] != lead:
            joined[lead] = joined[joined[lead]]
            lead = joined[lead]
        return lead

    for lead, own in facts.items():
        for fact in own:
            if fact.event == "LeadMerged":
                other = UUID(str(fact.data["into_lead_id"]))
                joined.setdefault(other, other)
                joined[first(lead)] = first(other)
    found: dict[UUID, list[Fact]] = defaultdict(list)
    for lead, own in facts.items():
        found[first(lead)] += own
    return list(found.values())
