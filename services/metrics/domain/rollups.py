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

from services.metrics.domain.entries import AGED, BY_COHORT, DIMENSIONS, Entry
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
    """Adds (or, with sign -1, takes away) entries that hold until further notice."""
    for entry in entries:
        if entry.valid_to is not None:
            continue
        measure, unit, currency = entry.measure, entry.business_unit, entry.currency or ""
        cohort = measure in BY_COHORT
        day = local_day(entry.cohort_at if cohort else entry.at, rules(unit).zone)
        age = age_days(entry.duration_seconds) if measure in AGED else -1
        microseconds = None if entry.duration_seconds is None else sign * round(entry.duration_seconds * 1_000_000)
        amount = None if entry.amount is None else sign * entry.amount
        _add(sums, RollupKey(unit, measure, day, "", "", age, currency), sign, microseconds, amount)
        cut_age = age if cohort else -1
        for dimension, value in zip(DIMENSIONS, (*entry.dims, entry.stage, entry.reason), strict=True):
            if value:
                _add(
                    sums, RollupKey(unit, measure, day, dimension, value, cut_age, currency), sign, microseconds, amount
                )


def _add(
    sums: dict[RollupKey, RollupSum], key: RollupKey, sign: int, microseconds: int | None, amount: Decimal | None
) -> None:
    total = sums.get(key)
    if total is None:
        total = sums[key] = RollupSum()
    total.count += sign
    if microseconds is not None:
        total.durations += sign
        total.duration_microseconds += microseconds
    if amount is not None:
        total.amount += amount


EntryId = tuple[UUID, str, datetime]


@dataclass(slots=True)
class Delta:
    """What a batch changes: entries to forget, entries to keep, and signed sums."""

    removed: list[EntryId] = field(default_factory=list)
    kept: list[Entry] = field(default_factory=list)
    sums: dict[RollupKey, RollupSum] = field(default_factory=dict)

    def change(self, before: Iterable[Entry], after: Iterable[Entry], rules: Rules) -> None:
        """Adds the difference between two sets of entries of the same facts' groups."""
        old = {(entry.root_id, entry.key, entry.valid_from): entry for entry in before}
        new = {(entry.root_id, entry.key, entry.valid_from): entry for entry in after}
        gone = [(key, entry) for key, entry in old.items() if new.get(key) != entry]
        come = [entry for key, entry in new.items() if old.get(key) != entry]
        self.removed += [key for key, _ in gone if key not in new]
        self.kept += come
        add_up(self.sums, (entry for _, entry in gone), rules, sign=-1)
        add_up(self.sums, come, rules)
