"""Forecasts that were frozen, held against what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.calendars import calendars_of
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forecasting import METHODS
from services.metrics.domain.freezing import (
    FROZEN_BY,
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

FROZEN_PERIODS = ("quarter", "half_year", "year")


class Wanted(NamedTuple):
    """Which forecasts: of which unit, of what kind of periods, of everybody or by owner or team, and of one of them alone."""

    unit: str | None
    period: Period
    by: str | None
    only: tuple[str | None, ...] = ()


def wanted_of(question: Question) -> Wanted | None:
    """What is asked about; None where it is parted by what no forecast is frozen by. Raises `Rejected` for a filter."""
    units = question.filters.get(UNIT, ())
    narrowed = [name for name in question.filters if name != UNIT]
    only = question.filters[narrowed[0]] if len(narrowed) == 1 and narrowed[0] in FROZEN_BY else ()
    if len(units) > 1 or len(narrowed) > 1 or len(narrowed) != len(only):
        raise Rejected(
            "Forecasts are frozen of one business unit, or of all.", code="invalid-parameter", field="business_unit",
            fix=f"Leave other filters out but for a single {' or '.join(FROZEN_BY)}, and group by one of {', '.join(FROZEN_PERIODS)} "
            f"and one of {', '.join(FROZEN_BY)}.",
        )  # fmt: skip
    periods = [cut for cut in question.group_by if cut in FROZEN_PERIODS]
    grouped = [cut for cut in question.group_by if cut in FROZEN_BY]
    others = list(dict.fromkeys((*grouped, *narrowed)))
    if len(periods) > 1 or len(others) > 1 or len(periods) + len(grouped) < len(question.group_by):
        return None
    period: Period = next((one for one in PERIODS if one in periods), "quarter")
    return Wanted(units[0] if units else None, period, others[0] if others else None, only)


def refuse_unknown(question: Question) -> None:
    """Raises `Rejected` for a filter or a cut that no forecast is frozen by."""
    if wanted_of(question) is None:
        raise Rejected(
            "Forecasts are not frozen by that.", code="unknown-cut", field="group_by",
            fix=f"Use one of {', '.join(FROZEN_PERIODS)} and one of {', '.join(FROZEN_BY)}.",
        )  # fmt: skip


async def values_of(
    database: Database, policy: Policy, progress: answering.Progress, question: Question
) -> dict[Group | None, Values]:
    """How far off they were in total and by group, for every whole period of the window that is over."""
    wanted = wanted_of(question)
    if wanted is None:
        return {TOTAL: accuracy_values([], METHODS)}
    unit = policy.unit(wanted.unit or "")
    today = question.as_of.astimezone(unit.zone).date()
    first, after = _day(question.start) or EARLIEST.date(), min(_day(question.end) or today, today)
    of = frozen.Wanted(wanted.unit or frozen.EVERYBODY, wanted.period, wanted.by, first, after, question.as_of)
    known = _told(await frozen.forecasts(database, of, METHODS, LEAD_DAYS, NEAR))
    if not known:
        return {TOTAL: accuracy_values([], METHODS)}
    actual = await _actual(database, policy, progress, question, wanted, known)
    judged: dict[Group | None, list[Judged]] = {TOTAL: []}
    together = wanted.only[0] if wanted.only else EVERYBODY
    apart = wanted.by in question.group_by and not wanted.only
    for name, one in known.items():
        begins = datetime.combine(one.first, time(), unit.zone)
        for lead in LEAD_DAYS:
            stands = standing_for(one.forecasts, begins, lead)
            if stands is None:
                continue
            money = one.made_in[stands.at]
            unforeseen = {} if wanted.by is None else _unforeseen(actual, name, money)
            for owner, methods in {**unforeseen, **stands.values}.items():
                came = actual.get((name, owner, money), 0.0)
                found = [
                    Judged(lead, method, methods[method], came, one.first, one.versions[stands.at])
                    for method in METHODS
                ]
                if owner == together:
                    judged[TOTAL] += found
                if question.group_by and (owner != EVERYBODY if apart else owner == together):
                    own = {wanted.period: name, wanted.by: owner}
                    judged.setdefault(tuple(own[cut] for cut in question.group_by), []).extend(found)
    return {group: accuracy_values(found, METHODS) for group, found in judged.items()}


EVERYBODY = "\x00"
"""Stands for all owners together, which nobody is called."""


class Money(NamedTuple):
    """The currency that was forecast, and whether amounts of others were in it at their rates."""

    currency: str | None
    in_one: bool


class Told(NamedTuple):
    """A period, what was forecast of it at each moment, in which money, and by which rules."""

    first: date
    after: date
    forecasts: list[FrozenForecast]
    made_in: dict[datetime, Money]
    versions: dict[datetime, int | None]


def _told(rows: Sequence[Any]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for row in rows:
        told = found.setdefault(row.period, Told(row.first, row.after, [], {}, {}))
        told.forecasts.append(FrozenForecast(row.due_at, {EVERYBODY: row.total, **dict(row.groups or ())}))
        told.versions[row.due_at] = row.version
        told.made_in[row.due_at] = Money(row.currency, row.in_one)
    return found


async def _actual(
    database: Database, policy: Policy, progress: answering.Progress, question: Question, wanted: Wanted,
    known: Mapping[str, Told],
) -> dict[tuple[str, str | None, Money], float]:  # fmt: skip
    """What was won in each period, by owner or team and of everybody, in each money that it was forecast in."""
    found: dict[tuple[str, str | None, Money], float] = {}
    for name, one, money in ((*period, money) for period in known.items() for money in set(period[1].made_in.values())):
        asked = Question(
            BY_ID["sales_volume"],
            as_of=question.as_of,
            horizon_days=question.horizon_days,
            start=one.first,
            end=one.after,
            group_by=() if wanted.by is None else (wanted.by,),
            filters={} if wanted.unit is None else {UNIT: (wanted.unit,)},
            calendars=calendars_of(policy, () if wanted.unit is None else (wanted.unit,)),
            currency=money.currency if money.in_one else None,
        )
        seen = asked.seen_from(progress.latest)
        zone = policy.unit(wanted.unit or "").zone
        values = await answering.values_of(database, seen, zone, rollups=seen.fits_rollups())
        for group, each in values.items():
            found[name, EVERYBODY if group is None else group[0], money] = _in(each, money.currency)
    return found


def _unforeseen(
    actual: Mapping[tuple[str, str | None, Money], float], period: str, money: Money
) -> dict[str | None, Mapping[str, float]]:
    """A forecast of nothing for everybody who won something: for those it stands of whom none was made."""
    return {
        owner: dict.fromkeys(METHODS, 0.0)
        for (name, owner, made_in), came in actual.items()
        if (name, made_in) == (period, money) and owner != EVERYBODY and came
    }


def _in(values: Values, currency: str | None) -> float:
    own = values if values.get("currency") == currency else values.get("by_currency", {}).get(currency, {})
    return float(own.get("value") or 0.0)


def _day(bound: Bound) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound
