"""Entries added up: by unit, measure, local day and one dimension at a time, so that most questions read few rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import compress
from operator import ne
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.metrics.domain.entries import AGED, BY_COHORT, DIMENSIONS, KEPT_WHEN, Dims, Entry, Measure
from shared.contracts.policy import UnitPolicy

Rules = Callable[[str], UnitPolicy]
"""What holds for a business unit; here its zone and currency."""

DAY_SECONDS = 86_400
MICROSECOND = timedelta(microseconds=1)
CARRIED_SECONDS = 4 * 10**12
CARRIED = CARRIED_SECONDS * 10**6
"""How many microseconds a sum of durations carries over as one: PostgreSQL's largest integers hold little more than two of these, and
a hundred thousand leads that were put away on one day after three years are that much."""


class RollupKey(NamedTuple):
    """Which sum. `dimension` empty is the sum over everything; values not known are the rest, and are not kept.
    `age_days` is the duration in whole days, rounded up, for measures that keep it, else -1; cuts keep it for cohorts."""

    business_unit: str
    measure: str
    day: date
    dimension: str
    value: str
    age_days: int
    currency: str


@dataclass(slots=True)
class RollupSum:
    """What is added up. Durations are whole microseconds, so that adding and taking away leaves nothing behind; of what is
    `KEPT_WHEN` they say when it was."""

    count: int = 0
    durations: int = 0
    duration_microseconds: int = 0
    amount: Decimal = Decimal(0)

    def __bool__(self) -> bool:
        return bool(self.count or self.durations or self.duration_microseconds or self.amount)


@lru_cache(maxsize=65_536)
def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The calendar day of a moment where the unit is."""
    return at.astimezone(zone).date()


def age_days(duration_seconds: float | None) -> int:
    """Whole days, rounded up, so that "within h days" is exact; -1 for no duration."""
    return -1 if duration_seconds is None else math.ceil(duration_seconds / DAY_SECONDS)


def since_midnight(at: datetime, day: date) -> int:
    """How many microseconds after the beginning of a day, in UTC, a moment is."""
    return (at - datetime(day.year, day.month, day.day, tzinfo=UTC)) // MICROSECOND


def add_up(sums: dict[RollupKey, RollupSum], entries: Iterable[Entry], rules: Rules, *, sign: int = 1) -> None:
    """Adds (or, with sign -1, takes away) entries that hold until further notice. Those that are alike first: there are
    many of them in a batch, and each kind counts in several sums."""
    alike: dict[tuple[str, Measure, date, int, str | None, Dims, str | None, str | None], RollupSum] = {}
    zones: dict[str, ZoneInfo] = {}
    for entry in entries:
        if entry.valid_to is not None:
            continue
        measure, unit, seconds = entry.measure, entry.business_unit, entry.duration_seconds
        zone = zones.get(unit)
        if zone is None:
            zone = zones[unit] = rules(unit).zone
        day = local_day(entry.cohort_at if measure in BY_COHORT else entry.at, zone)
        age = age_days(seconds) if measure in AGED else -1
        kind = unit, measure, day, age, entry.currency, entry.dims, entry.stage, entry.reason
        total = alike.get(kind)
        if total is None:
            total = alike[kind] = RollupSum()
        total.count += sign
        if seconds is not None:
            total.durations += sign
            total.duration_microseconds += sign * round(seconds * 1_000_000)
        elif measure in KEPT_WHEN:
            total.durations += sign
            total.duration_microseconds += sign * since_midnight(entry.at, day)
        if entry.amount is not None:
            total.amount += sign * entry.amount
    for (unit, measure, day, age, currency, dims, stage, reason), total in alike.items():
        _add(sums, RollupKey(unit, measure, day, "", "", age, currency or ""), total)
        cut_age = age if measure in BY_COHORT else -1
        for dimension, value in zip(DIMENSIONS, (*dims, stage, reason), strict=True):
            if value:
                _add(sums, RollupKey(unit, measure, day, dimension, value, cut_age, currency or ""), total)


def _add(sums: dict[RollupKey, RollupSum], key: RollupKey, more: RollupSum) -> None:
    total = sums.get(key)
    if total is None:
        total = sums[key] = RollupSum()
    total.count += more.count
    total.durations += more.durations
    total.duration_microseconds += more.duration_microseconds
    total.amount += more.amount


EntryId = tuple[UUID, str, datetime]


@dataclass(slots=True)
class Delta:
    """What a batch changes: entries to forget, to put in the place of others of the same id (`stood`), to add, and signed sums."""

    removed: list[EntryId] = field(default_factory=list)
    replaced: list[Entry] = field(default_factory=list)
    stood: list[Entry] = field(default_factory=list)
    is_written_otherwise: bool = False
    added: list[Entry] = field(default_factory=list)
    sums: dict[RollupKey, RollupSum] = field(default_factory=dict)
    gone: list[Entry] = field(default_factory=list)

    def change_each(self, before: Iterable[Entry], after: Iterable[Entry]) -> None:
        """Takes in the difference between two sets of entries of any people."""
        people: dict[UUID, tuple[list[Entry], list[Entry]]] = {}
        for place, entries in enumerate((before, after)):
            for entry in entries:
                people.setdefault(entry.root_id, ([], []))[place].append(entry)
        for old, new in people.values():
            self.change(old, new)

    def change(self, before: Sequence[Entry], after: Sequence[Entry]) -> None:
        """Takes in the difference between two sets of entries of one person."""
        if not before:
            self.added += after
            return
        old = {(entry.key, entry.valid_from): entry for entry in before}
        for entry in after:
            known = old.pop((entry.key, entry.valid_from), None)
            if known is None:
                self.added.append(entry)
            elif known != entry:
                self.replaced.append(entry)
                self.stood.append(known)
                self.gone.append(known)
        self.removed += [(entry.root_id, entry.key, entry.valid_from) for entry in old.values()]
        self.gone += old.values()

    def say_again(self, entry: Entry) -> None:
        """An entry that is what it was, and was written otherwise: what it adds to sums is not touched."""
        self.replaced.append(entry)
        self.stood.append(entry)
        self.gone.append(entry)
        self.is_written_otherwise = True

    def replaced_fields(self) -> set[str]:
        """What is another in any of those that are replaced, by field or dimension: all that has to be written of them."""
        if self.is_written_otherwise:
            return {*Entry._fields, *Dims._fields}
        found: set[str] = set()
        for old, new in zip(self.stood, self.replaced, strict=True):
            if old.dims != new.dims:
                found.update(compress(Dims._fields, map(ne, old.dims, new.dims)))
            found.update(compress(Entry._fields, map(ne, old, new)))
        return found

    def sum_up(self, rules: Rules) -> None:
        """Makes the sums, once all differences are known."""
        add_up(self.sums, self.gone, rules, sign=-1)
        add_up(self.sums, (*self.replaced, *self.added), rules)
