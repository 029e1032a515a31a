"""Targets held against what there is: one question for all targets of the same number, days and kind of cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.calendars import Comparison, calendars_of, compared
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Coverage
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.targets import (
    Aim,
    Baseline,
    Standing,
    Target,
    TargetForm,
    actual_of,
    coverage_values,
    elapsed_share,
    standing_values,
    wanted,
)
from services.metrics.storage import answering, numbers, targets
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, Calendar
from shared.kit.database import Database

OPEN, RATE = "weighted_forecast", "win_rate_count"


class Ask(NamedTuple):
    """What targets have in common that one question answers."""

    kpi: str
    first_day: date
    after_day: date
    horizon_days: int
    lifetime_months: float
    stale_days: int
    zone: ZoneInfo
    of_units: bool
    cuts: tuple[str, ...]


class Attaining:
    """Answers about targets. `progress` is how far the log is folded."""

    def __init__(self, database: Database, policy: Policy, progress: answering.Progress) -> None:
        self._database = database
        self._policy = policy
        self._progress = progress

    async def values_of(self, question: Question) -> dict[Group | None, Values]:
        """Each group's target and the one of the whole: nobody's targets are added to each other's."""
        form = question.definition.form
        assert isinstance(form, TargetForm) and question.of is not None  # noqa: PT018
        every = await targets.found(
            self._database, kpi=question.of.id, start=_day(question.start), end=_day(question.end)
        )
        groups: dict[Target, Group | None] = {}
        for target in every:
            if _is_whole(question, target.aim):
                groups[target] = TOTAL
            elif question.group_by and (group := self._group(question, target.aim)) is not None:
                groups[target] = group
        standings = await self.standings(list(groups), question.as_of)
        if isinstance(form, Coverage):
            covered = await self._covered(standings, question.as_of)
            return {
                TOTAL: coverage_values(None, None, None),
                **{groups[one]: values for one, values in covered.items()},
            }
        found = {groups[one.target]: standing_values(form, one) for one in standings}
        return {TOTAL: standing_values(form, None), **found}

    async def _covered(self, standings: Sequence[Standing], as_of: datetime) -> dict[Target, Values]:
        """What open deals are worth beside what their targets lack, and how much of them is won by experience."""
        aims = {one.target: one.target.aim for one in standings}
        still_open = await self._answers({one: replace(aim, kpi=OPEN) for one, aim in aims.items()}, as_of)
        until = as_of.date() + timedelta(days=1)
        since = until - timedelta(days=365)
        rates = await self._answers(
            {one: replace(aim, kpi=RATE, first_day=since, after_day=until) for one, aim in aims.items()}, as_of
        )
        return {one.target: coverage_values(one, still_open[one.target], rates[one.target]) for one in standings}

    async def standings(self, wanted_of: Sequence[Target], as_of: datetime) -> list[Standing]:
        """Where these targets are, in their order; those for a number that is not defined any more are left out."""
        known = [target for target in wanted_of if target.aim.kpi in BY_ID]
        actuals = await self._answers({target: target.aim for target in known}, as_of)
        earlier = await self._answers(
            {
                target: replace(target.aim, first_day=first, after_day=after)
                for target in known
                if target.aim.baseline not in (None, Baseline.FIXED)
                for first, after in [self._days_before(target.aim)]
            },
            as_of,
        )
        found = []
        for target in known:
            aim, definition = target.aim, BY_ID[target.aim.kpi]
            baseline = None if aim.baseline_value is None else float(aim.baseline_value)
            if target in earlier:
                baseline, _ = actual_of(earlier[target], aim, definition)
            actual, n = actual_of(actuals[target], aim, definition)
            zone = self._zone(aim.business_unit)
            share = elapsed_share(midnight(aim.first_day, zone), midnight(aim.after_day, zone), as_of)
            found.append(Standing(target, definition, actual, n, wanted(aim, baseline), baseline, share))
        return found

    async def _answers(self, aims: Mapping[Target, Aim], as_of: datetime) -> dict[Target, Values | None]:
        asks: dict[Ask, list[Target]] = defaultdict(list)
        for target, aim in aims.items():
            unit = self._policy.unit(aim.business_unit or "")
            asks[
                Ask(
                    aim.kpi, aim.first_day, aim.after_day, unit.horizon_days, unit.customers.lifetime_months,
                    unit.hygiene.stale_days, unit.zone, aim.business_unit is not None, tuple(sorted(aim.cut)),
                )
            ].append(target)  # fmt: skip
        found: dict[Target, Values | None] = {}
        for ask, those in asks.items():
            values = await self._ask(ask, as_of)
            for target in those:
                of = (target.aim.business_unit,) if ask.of_units else ()
                group: Group = (*of, *(target.aim.cut[name] for name in ask.cuts))
                found[target] = values.get(group or TOTAL)
        return found

    async def _ask(self, ask: Ask, as_of: datetime) -> dict[Group | None, Values]:
        definition = BY_ID[ask.kpi]
        if definition.basis == "snapshot":
            as_of = min(as_of, midnight(ask.after_day, ask.zone))
        question = Question(
            definition,
            as_of=as_of,
            horizon_days=ask.horizon_days,
            lifetime_months=ask.lifetime_months,
            stale_days=ask.stale_days,
            start=ask.first_day,
            end=ask.after_day,
            group_by=(*((UNIT,) if ask.of_units else ()), *ask.cuts),
            calendars=calendars_of(self._policy, ()),
        )
        return await numbers.values_of(self._database, self._policy, self._progress, question)

    def _days_before(self, aim: Aim) -> tuple[date, date]:
        how: Comparison = "last_year" if aim.baseline is Baseline.LAST_YEAR else "previous"
        return compared(self._calendar(aim.business_unit), aim.first_day, aim.after_day, how)

    def _group(self, question: Question, aim: Aim) -> Group | None:
        """The group that a target is of, None for one that is of none of those asked about."""
        allowed = {name: question.filters[name] for name in question.filters if name != UNIT}
        named = {name for name in question.group_by if name not in PERIODS and name != UNIT}
        if set(aim.cut) != named | set(allowed) or any(aim.cut[name] not in allowed[name] for name in allowed):
            return None
        if not _is_of_units(question, aim.business_unit):
            return None
        calendar = question.calendars.of(aim.business_unit)
        periods: dict[str, str | None] = {
            name: _period_name(calendar, name, aim) for name in question.group_by if name in PERIODS
        }
        if None in periods.values():
            return None
        if not periods and (aim.first_day, aim.after_day) != (question.start, question.end):
            return None
        own: dict[str, str | None] = {UNIT: aim.business_unit, **aim.cut, **periods}
        return tuple(own[name] for name in question.group_by)

    def _zone(self, unit: str | None) -> ZoneInfo:
        return self._policy.unit(unit or "").zone

    def _calendar(self, unit: str | None) -> Calendar:
        return self._policy.unit(unit or "").calendar


def _is_of_units(question: Question, unit: str | None) -> bool:
    if UNIT in question.filters:
        return unit in question.filters[UNIT] and (UNIT in question.group_by or len(question.filters[UNIT]) == 1)
    return (unit is not None) if UNIT in question.group_by else unit is None


def _is_whole(question: Question, aim: Aim) -> bool:
    """Whether a target is for exactly what is asked about as a whole."""
    asked = {name: values[0] for name, values in question.filters.items() if len(values) == 1}
    own = {**aim.cut, **({} if aim.business_unit is None else {UNIT: aim.business_unit})}
    days = (aim.first_day, aim.after_day) == (question.start, question.end)
    return days and own == asked and len(asked) == len(question.filters)


def _period_name(calendar: Calendar, period: str, aim: Aim) -> str | None:
    """What a period is called whose days a target has; None where they are not one of these periods."""
    named = next(one for one in PERIODS if one == period)
    if calendar.first_of(named, aim.first_day) != aim.first_day:
        return None
    return calendar.name_of(named, aim.first_day) if calendar.moved(named, aim.first_day, 1) == aim.after_day else None


def _day(bound: date | datetime | None) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in a zone."""
    return datetime.combine(day, time(), zone)
