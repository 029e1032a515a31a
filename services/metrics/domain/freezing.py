"""When numbers are frozen, and how far off frozen forecasts turned out to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.contracts.policy.calendar import WEEKDAYS
from shared.contracts.policy.snapshots import Snapshots

FORECAST = "forecast"
"""The name under which forecasts are frozen; no set has it."""

LEAD_DAYS = (90, 60, 30, 0)
"""How long before a period begins a forecast of it is judged."""

FROZEN_BY = ("owner", "team")
"""By one of which forecasts are frozen, beside their unit."""

NEAR = timedelta(days=8)
"""A forecast stands for a lead time if it was frozen at most so long before it: they come weekly."""


class Dues(NamedTuple):
    """Moments that were to be frozen: those whose time is over, and the one whose time is now."""

    missed: tuple[datetime, ...]
    now: datetime | None


def latest_due(rules: Snapshots, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The last moment by now at which something was to be frozen; None where nothing ever is."""
    if rules.weekday is None:
        return None
    day = now.astimezone(zone).date()
    for back in range(8):
        one = day - timedelta(days=back)
        due = datetime.combine(one, time(rules.hour), zone).astimezone(UTC)
        if one.weekday() == WEEKDAYS.index(rules.weekday) and due <= now:
            return due
    raise AssertionError("each week has every weekday")


def dues(rules: Snapshots, zone: ZoneInfo, last: datetime | None, now: datetime) -> Dues:
    """What was to be frozen since the last moment that was noted. What was before the first one is nobody's fault."""
    latest = latest_due(rules, zone, now)
    if latest is None or (last is not None and latest <= last):
        return Dues((), None)
    in_time = latest if now - latest <= timedelta(hours=rules.grace_hours) else None
    if last is None:
        return Dues((), in_time)
    missed = [] if in_time else [latest]
    before = _a_week_before(rules, zone, latest)
    while before > last:
        missed.append(before)
        before = _a_week_before(rules, zone, before)
    return Dues(tuple(reversed(missed)), in_time)


def _a_week_before(rules: Snapshots, zone: ZoneInfo, due: datetime) -> datetime:
    day = due.astimezone(zone).date() - timedelta(days=7)
    return datetime.combine(day, time(rules.hour), zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Judged:
    """One forecast that was frozen so long before its period, and what came. `version` says by which rules it was made, None where
    that was not kept."""

    lead_days: int
    method: str
    forecast: float
    actual: float
    begins: date = date.min
    version: int | None = None


class FrozenForecast(NamedTuple):
    """What was forecast of one period at one moment: by group (None is everybody) and method."""

    at: datetime
    values: Mapping[str | None, Mapping[str, float]]


def standing_for(frozen: Iterable[FrozenForecast], begins: datetime, lead_days: int) -> FrozenForecast | None:
    """The forecast that was the latest so many days before a period began."""
    until = begins - timedelta(days=lead_days)
    near = [one for one in frozen if until - NEAR <= one.at <= until]
    return max(near, key=lambda one: one.at, default=None)


def accuracy_values(judged: Sequence[Judged], methods: Sequence[str]) -> dict[str, Any]:
    """WAPE and bias by lead time and method; the value is the WAPE of the combined forecast when the period began."""
    by_lead = [
        {"lead_days": lead, **{method: _off([one for one in judged if (one.lead_days, one.method) == (lead, method)]) for method in methods}}
        for lead in LEAD_DAYS
    ]  # fmt: skip
    head = by_lead[-1]["combined"]
    assert isinstance(head, dict)
    return {
        "value": head["wape"],
        "numerator": head["off"],
        "denominator": head["actual"],
        "n": head["n"],
        "bias": head["bias"],
        "by_lead_time": by_lead,
        **_made_by([one for one in judged if one.method == methods[-1]]),
    }


def _made_by(judged: Sequence[Judged]) -> dict[str, Any]:
    """By which rules they were made, the latest last, how many each made, and from which period on the latest made all of them:
    from then on like is compared with like."""
    made = Counter(one.version for one in judged)
    versions = sorted(made, key=lambda version: version or 0)
    others = [one.begins for one in judged if one.version != versions[-1]]
    alike = [one.begins for one in judged if not others or one.begins > max(others)]
    return {
        "versions": [{"version": version, "forecasts": made[version]} for version in versions],
        "alike_from": min(alike, default=None),
    }


def _off(judged: Sequence[Judged]) -> dict[str, Any]:
    actual = sum(one.actual for one in judged)
    off = sum(abs(one.forecast - one.actual) for one in judged)
    over = sum(one.forecast - one.actual for one in judged)
    return {
        "wape": off / actual if actual else None,
        "bias": over / actual if actual else None,
        "off": off,
        "actual": actual,
        "n": len(judged),
    }
