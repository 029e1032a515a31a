"""Entries added up: by unit, measure, local day and one dimension at a time, so that most questions read few rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.metrics.domain.entries import AGED, BY_COHORT, DIMENSIONS, Entry, Measure
from shared.contracts.policy import UnitPolicy

Rules = Callable[[str], UnitPolicy]
"""What holds for a business unit; here its zone and currency."""

DAY_SECONDS = 86_400


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
    """What is added up. Durations are whole microseconds, so that adding and taking away leaves nothing behind."""

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


def add_up(sums: dict[RollupKey, RollupSum], entries: Iterable[Entry], rules: Rules, *, sign: int = 1) -> None:
    """Adds (or, with sign -1, takes away) entries that hold until further notice. Those that are alike first: there are
    many of them in a batch, and each kind counts in several sums."""
    alike: dict[tuple[str, Measure, date, int, str, tuple[str | None, ...]], RollupSum] = {}
    for entry in entries:
        if entry.valid_to is not None:
            continue
        measure = entry.measure
        day = local_day(entry.cohort_at if measure in BY_COHORT else entry.at, rules(entry.business_unit).zone)
        age = age_days(entry.duration_seconds) if measure in AGED else -1
        cuts: tuple[str | None, ...] = (*entry.dims, entry.stage, entry.reason)
        kind = entry.business_unit, measure, day, age, entry.currency or "", cuts
        total = alike.get(kind)
        if total is None:
            total = alike[kind] = RollupSum()
        total.count += sign
        if entry.duration_seconds is not None:
            total.durations += sign
            total.duration_microseconds += sign * round(entry.duration_seconds * 1_000_000)
        if entry.amount is not None:
            total.amount += sign * entry.amount
    for (unit, measure, day, age, currency, cuts), total in alike.items():
        _add(sums, RollupKey(unit, measure, day, "", "", age, currency), total)
        cut_age = age if measure in BY_COHORT else -1
        for dimension, value in zip(DIMENSIONS, cuts, strict=True):
            if value:
                _add(sums, RollupKey(unit, measure, day, dimension, value, cut_age, currency), total)


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
    """What a batch changes: entries to forget, to put in the place of others of the same id, to add, and signed sums."""

    removed: list[EntryId] = field(default_factory=list)
    replaced: list[Entry] = field(default_factory=list)
    added: list[Entry] = field(default_factory=list)
    sums: dict[RollupKey, RollupSum] = field(default_factory=dict)
    gone: list[Entry] = field(default_factory=list)

    def change(self, before: Iterable[Entry], after: Iterable[Entry]) -> None:
        """Takes in the difference between two sets of entries of the same facts' groups."""
        old = {(entry.root_id, entry.key, entry.valid_from): entry for entry in before}
        for entry in after:
            known = old.pop((entry.root_id, entry.key, entry.valid_from), None)
            if known is None:
                self.added.append(entry)
            elif known != entry:
                self.replaced.append(entry)
                self.gone.append(known)
        self.removed += old
        self.gone += old.values()

    def say_again(self, entry: Entry) -> None:
        """An entry that is what it was, and was written otherwise: what it adds to sums is not touched."""
        self.replaced.append(entry)
        self.gone.append(entry)

    def sum_up(self, rules: Rules) -> None:
        """Makes the sums, once all differences are known."""
        add_up(self.sums, self.gone, rules, sign=-1)
        add_up(self.sums, (*self.replaced, *self.added), rules)
