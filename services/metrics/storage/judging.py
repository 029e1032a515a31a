"""Forecasts that were frozen, held against what came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.calendars import calendars_of
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.freezing import (
    FORECAST,
    LEAD_DAYS,
    NEAR,
    FrozenForecast,
    Judged,
    accuracy_values,
    standing_for,
)
from services.metrics.domain.questions import UNIT, Bound, Question
from services.metrics.storage import answering, frozen
from shared.contracts.envelope import EARLIEST
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, Period
from shared.kit.database import Database
from shared.kit.errors import Rejected

METHODS = ("weighted", "historical", "combined")
FROZEN_PERIODS = ("quarter", "half_year", "year")
FROZEN_BY = ("owner", "team")


class Wanted(NamedTuple):
    """Which forecasts: of which unit, of what kind of periods, of everybody or by owner or team."""

    unit: str | None
    period: Period
    by: str | None


def wanted_of(question: Question) -> Wanted | None:
    """What is asked about; None where it is parted by what no forecast is frozen by. Raises `Rejected` for a filter."""
    units = question.filters.get(UNIT, ())
    if len(units) > 1 or any(name != UNIT for name in question.filters):
        raise Rejected(
            "Forecasts are frozen of one business unit, or of all.", code="invalid-parameter", field="business_unit",
            fix=f"Leave other filters out, and group by one of {', '.join(FROZEN_PERIODS)} and one of {', '.join(FROZEN_BY)}.",
        )  # fmt: skip
    periods = [cut for cut in question.group_by if cut in FROZEN_PERIODS]
    others = [cut for cut in question.group_by if cut in FROZEN_BY]
    if len(periods) > 1 or len(others) > 1 or len(periods) + len(others) < len(question.group_by):
        return None
    period: Period = next((one for one in PERIODS if one in periods), "quarter")
    return Wanted(units[0] if units else None, period, others[0] if others else None)


async def values_of(
    database: Database, policy: Policy, progress: answering.Progress, question: Question
) -> dict[Group | None, Values]:
    """How far off they were in total and by group, for every whole period of the window that is over."""
    wanted = wanted_of(question)
    if wanted is None:
        return {TOTAL: {**accuracy_values([], METHODS), "frozen_by": (*FROZEN_PERIODS, *FROZEN_BY)}}
    unit = policy.unit(wanted.unit or "")
    today = question.as_of.astimezone(unit.zone).date()
    first, after = _day(question.start) or EARLIEST.date(), min(_day(question.end) or today, today)
    begin = datetime.combine(first, time(), unit.zone) - timedelta(days=max(LEAD_DAYS)) - NEAR
    rows = await frozen.taken(database, wanted.unit or frozen.EVERYBODY, FORECAST, begin, question.as_of)
    told, currency = _told(rows, wanted)
    known = {name: days for name, days in told.items() if days.first >= first and days.after <= after}
    if not known:
        return {TOTAL: accuracy_values([], METHODS)}
    actual = await _actual(database, policy, progress, question, wanted, currency, known)
    judged: dict[Group | None, list[Judged]] = {TOTAL: []}
    for name, one in known.items():
        begins = datetime.combine(one.first, time(), unit.zone)
        for lead in LEAD_DAYS:
            stands = standing_for(one.forecasts, begins, lead)
            for owner, methods in stands.values.items() if stands else ():
                whole, came = owner == EVERYBODY, actual.get((name, owner), 0.0)
                found = [Judged(lead, method, methods[method], came) for method in METHODS]
                if whole:
                    judged[TOTAL] += found
                if question.group_by and whole == (wanted.by is None):
                    own = {wanted.period: name, wanted.by: owner}
                    judged.setdefault(tuple(own[cut] for cut in question.group_by), []).extend(found)
    return {group: accuracy_values(found, METHODS) for group, found in judged.items()}


EVERYBODY = "\x00"
"""Stands for all owners together, which nobody is called."""


class Told(NamedTuple):
    """A period, and what was forecast of it at each moment."""

    first: date
    after: date
    forecasts: list[FrozenForecast]


def _told(rows: Any, wanted: Wanted) -> tuple[dict[str, Told], str | None]:
    found: dict[str, Told] = {}
    currency = None
    for row in rows:
        for one in row.content["forecasts"]:
            if one["period"] != wanted.period or (wanted.by is not None and one["by"] != wanted.by):
                continue
            currency = one["currency"]
            for period in one["periods"]:
                told = found.setdefault(
                    period["period"], Told(date.fromisoformat(period["from"]), date.fromisoformat(period["to"]), [])
                )
                values: dict[str | None, Mapping[str, float]] = {EVERYBODY: _values(period["total"])}
                if wanted.by is not None:
                    values |= {group["key"][wanted.by]: _values(group) for group in period["groups"]}
                if not told.forecasts or told.forecasts[-1].at != row.due_at:
                    told.forecasts.append(FrozenForecast(row.due_at, values))
    return found, currency


def _values(parts: Mapping[str, Any]) -> dict[str, float]:
    return {method: parts[method]["value"] for method in METHODS}


async def _actual(
    database: Database, policy: Policy, progress: answering.Progress, question: Question, wanted: Wanted,
    currency: str | None, known: Mapping[str, Told],
) -> dict[tuple[str, str | None], float]:  # fmt: skip
    """What was won in each period, by owner or team and of everybody."""
    found: dict[tuple[str, str | None], float] = {}
    for name, one in known.items():
        asked = Question(
            BY_ID["sales_volume"],
            as_of=question.as_of,
            horizon_days=question.horizon_days,
            start=one.first,
            end=one.after,
            group_by=() if wanted.by is None else (wanted.by,),
            filters={} if wanted.unit is None else {UNIT: (wanted.unit,)},
            calendars=calendars_of(policy, () if wanted.unit is None else (wanted.unit,)),
        )
        rollups = asked.fits_rollups(progress.latest)
        values = await answering.values_of(database, asked, policy.unit(wanted.unit or "").zone, rollups=rollups)
        for group, each in values.items():
            found[name, EVERYBODY if group is None else group[0]] = _in(each, currency)
    return found


def _in(values: Values, currency: str | None) -> float:
    own = values if values.get("currency") == currency else values.get("by_currency", {}).get(currency, {})
    return float(own.get("value") or 0.0)


def _day(bound: Bound) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound
