"""Forecasts of coming periods, of everybody and by owner, team or unit; and what they would have been worth in the past."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple

from services.metrics.domain.expecting import LEVEL
from services.metrics.domain.forecasting import METHODS, VERSION, OpenDeals, Part, Span, coming, forecasts
from services.metrics.storage.forecasting import Ground, Scope, ground
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import Calendar, Period
from shared.kit.database import Database

Ahead = Literal["month", "quarter", "half_year", "year"]
IN_ONE = "event"
"""What is forecast is of all currencies that have rates, at those of the days of amounts."""


class Window(NamedTuple):
    """One period, by its name and days."""

    name: str
    first: date
    after: date


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be forecast."""

    unit: str | None
    period: Period
    periods: int
    by: str | None
    as_of: datetime
    currency: str
    level: float = LEVEL


class Forecast(NamedTuple):
    """What is forecast of each window, in total and by group, and what it rests on."""

    asked: Asked
    ground: Ground
    windows: list[tuple[Window, dict[str, Part], dict[str | None, dict[str, Part]]]]


def windows_from(calendar: Calendar, period: Period, day: date, count: int) -> list[Window]:
    """So many periods from the one that a day is in."""
    first = calendar.first_of(period, day)
    found = []
    for _ in range(count):
        after = calendar.moved(period, first, 1)
        found.append(Window(calendar.name_of(period, first), first, after))
        first = after
    return found


async def forecast(database: Database, policy: Policy, asked: Asked, ahead: Sequence[Window] | None = None) -> Forecast:
    """The forecasts of the period that `as_of` is in and of those after it, or of the windows given."""
    return (await forecasts_of(database, policy, [asked], ahead))[0]


async def forecasts_of(
    database: Database, policy: Policy, several: Sequence[Asked], ahead: Sequence[Window] | None = None
) -> list[Forecast]:
    """Forecasts that differ by their periods alone, made from what is read once."""
    first = several[0]
    unit = policy.unit(first.unit or "")
    today = first.as_of.astimezone(unit.zone).date()
    windows = [list(ahead or windows_from(unit.calendar, one.period, today, one.periods)) for one in several]
    scope = Scope((first.unit,) if first.unit is not None else (), first.currency, first.by, first.as_of)
    since = min(window.first for those in windows for window in those)
    known = await ground(database, policy, scope, since, today)
    return [
        Forecast(one, known, [(window, *_of_window(known, one, window, runs.first, today)) for window in those])
        for one, those in zip(several, windows, strict=True)
        for runs in windows_from(unit.calendar, one.period, today, 1)
    ]


def _of_window(
    known: Ground, asked: Asked, window: Window, runs: date, today: date
) -> tuple[dict[str, Part], dict[str | None, dict[str, Part]]]:
    begins = window.first if window.first <= today else runs  # one of another calendar has begun on another day
    start, end, begun = (max(days.days, 0) for days in (window.first - today, window.after - today, today - begins))
    span = Span(start, end, begun)
    new = coming(known.experience, span)
    everything = [deal for deals in known.deals.values() for deal in deals]
    won = {
        owner: math.fsum(amount for day, amount in days.items() if window.first <= day < window.after)
        for owner, days in known.won.items()
    }
    total = forecasts(math.fsum(won.values()), everything, known.experience, new, span, asked.level)
    if asked.by is None:
        return total, {}
    owners = sorted({*known.deals, *known.share, *won}, key=lambda one: (one is None, one or ""))
    nothing: Sequence[OpenDeals] = ()
    groups = {
        owner: forecasts(
            won.get(owner, 0.0), known.deals.get(owner, nothing), known.experience,
            new.share(known.share.get(owner, 0.0)), span, asked.level,
        )
        for owner in owners
    }  # fmt: skip
    return total, groups


async def backtest(
    database: Database, policy: Policy, asked: Asked, *, back: int, lead_days: int
) -> list[tuple[Window, float, dict[str, Part]]]:
    """What would have been forecast so many days before each of the last whole periods began, with what was won in it since. As
    things happened, not as they were known then: what was told late counts as if it had been told in time."""
    unit = policy.unit(asked.unit or "")
    today = asked.as_of.astimezone(unit.zone).date()
    first = unit.calendar.moved(asked.period, unit.calendar.first_of(asked.period, today), -back)
    windows = windows_from(unit.calendar, asked.period, first, back)
    now = await ground(
        database,
        policy,
        Scope((asked.unit,) if asked.unit is not None else (), asked.currency, None, asked.as_of),
        first,
        today,
    )
    actual = _by_window(now.won, windows)
    found = []
    for window in windows:
        then = datetime.combine(window.first - timedelta(days=lead_days), time(), unit.zone)
        at = Asked(asked.unit, asked.period, 1, None, then, asked.currency, asked.level)
        told = await forecast(database, policy, at, [window])
        found.append((window, actual[window.name], told.windows[0][1]))
    return found


def _by_window(won: Mapping[str | None, Mapping[date, float]], windows: Sequence[Window]) -> dict[str, float]:
    return {
        window.name: sum(
            amount for days in won.values() for day, amount in days.items() if window.first <= day < window.after
        )
        for window in windows
    }


def accuracy(pairs: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """How far forecasts were off, by (forecast, actual): WAPE is Σ|forecast − actual| ÷ Σ actual, bias Σ(forecast − actual) ÷ Σ actual."""
    total = sum(actual for _, actual in pairs)
    if not total:
        return {"wape": None, "bias": None}
    return {
        "wape": math.fsum(abs(told - actual) for told, actual in pairs) / total,
        "bias": math.fsum(told - actual for told, actual in pairs) / total,
    }


def shown_part(part: Part) -> dict[str, Any]:
    """One forecast for whoever reads it."""
    interval = part.interval
    return {
        "value": part.mean,
        "sd": part.sd,
        "interval": {"low": interval.low, "high": interval.high, "level": interval.level, "method": interval.method},
        "made_of": part.made_of,
    }


def shown(found: Forecast) -> dict[str, Any]:
    """Forecasts with what they rest on."""
    asked, known = found.asked, found.ground.experience
    return {
        "version": VERSION,
        "business_unit": asked.unit,
        "by": asked.by,
        "as_of": asked.as_of,
        "currency": asked.currency,
        "rates": IN_ONE,
        "other_currencies": found.ground.other_currencies,
        "without_rate": found.ground.without_rate,
        "policy_version": found.ground.policy_version,
        "experience": {
            "deals_decided": known.deals.decided,
            "share_won": float(known.deals.reached[-1]),
            "leads_decided": known.leads.decided,
            "share_converted": float(known.leads.reached[-1]),
            "leads_a_day": known.leads_a_day,
            "later_deals_a_day": known.later_deals_a_day,
            "wins": known.worth.n,
            "worth_of_one": known.worth.mean,
        },
        "periods": [
            {
                "period": window.name,
                "from": window.first,
                "to": window.after,
                "total": {method: shown_part(total[method]) for method in METHODS},
                "groups": [
                    {"key": {asked.by: owner}, **{method: shown_part(parts[method]) for method in METHODS}}
                    for owner, parts in groups.items()
                ],
            }
            for window, total, groups in found.windows
        ],
    }
