"""Targets held against what there is: one question for all targets of the same number, days and kind of cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.calendars import Comparison, calendars_of, compared
from services.metrics.domain.customer_answers import DAYS_A_MONTH
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Coverage
from services.metrics.domain.maturing import is_given_a_lifetime
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rollups import local_day
from services.metrics.domain.targets import (
    Aim,
    Baseline,
    Standing,
    Target,
    TargetForm,
    actual_of,
    coverage_values,
    elapsed_share,
    is_judged,
    is_known,
    is_money,
    others_of,
    standing_values,
    wanted,
)
from services.metrics.storage import answering, numbers, targets
from services.metrics.storage.grouped import TOO_MANY
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, Calendar
from shared.kit.database import Database
from shared.kit.errors import Rejected

OPEN, RATE = "weighted_forecast", "win_rate_count"


class Ask(NamedTuple):
    """What targets have in common that one question answers: by units, or `of_unit` alone where there is no cut by them."""

    kpi: str
    first_day: date
    after_day: date
    horizon_days: int
    lifetime_months: float
    stale_days: int
    zone: ZoneInfo
    of_units: bool
    of_unit: str | None
    cuts: tuple[str, ...]
    currency: str | None


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
        groups = await self.groups_of(question)
        standings = await self.standings(list(groups), question.as_of, question.given_horizon_days)
        if isinstance(form, Coverage):
            covered = await self._covered(standings, question.as_of)
            return {
                TOTAL: coverage_values(None, None, None),
                **{groups[one]: values for one, values in covered.items()},
            }
        found = {groups[one.target]: standing_values(form, one) for one in standings}
        return {TOTAL: standing_values(form, None), **found}

    async def groups_of(self, question: Question) -> dict[Target, Group | None]:
        """The targets that are asked about, each with the group that it is of."""
        assert question.of is not None
        every = await targets.found(
            self._database, kpi=question.of.id, start=_day(question.start), end=_day(question.end)
        )
        groups: dict[Target, Group | None] = {}
        for target in every:
            if not _has_a_number(target.aim):
                continue
            if _is_whole(question, target.aim):
                groups[target] = TOTAL
            elif question.group_by and (group := self._group(question, target.aim)) is not None:
                groups[target] = group
        return groups

    def held_against(self, question: Question, aim: Aim) -> Question:
        """What is asked to hold it against a target: the number that has one, or the forecast whose open deals cover it."""
        if isinstance(question.definition.form, Coverage):
            aim = replace(aim, kpi=OPEN)
        own: dict[str, tuple[str | None, ...]] = {name: (value,) for name, value in aim.cut.items()}
        if aim.business_unit is not None:
            own[UNIT] = (aim.business_unit,)
        return replace(
            self._question(self._ask_of(aim, question.given_horizon_days), question.as_of), group_by=(), filters=own
        )

    async def _covered(self, standings: Sequence[Standing], as_of: datetime) -> dict[Target, Values]:
        """What open deals are worth beside what their targets lack, and how much of them is won by experience."""
        aims = {one.target: one.target.aim for one in standings}
        still_open = await self._answers({one: replace(aim, kpi=OPEN) for one, aim in aims.items()}, as_of)
        rates = await self._answers({one: self._last_year(aim, as_of) for one, aim in aims.items()}, as_of)
        return {one.target: coverage_values(one, still_open[one.target], rates[one.target]) for one in standings}

    async def of_today(self, now: datetime, units: Sequence[str] | None = None) -> list[Target]:
        """The targets that have today among their days, as it is where each one's unit is."""
        zones = {self._zone(unit) for unit in (None, *self._policy.business_units)}
        each = [
            await targets.found(self._database, units=units, on=day)
            for day in sorted({local_day(now, zone) for zone in zones})
        ]
        every = {target.target_id: target for some in each for target in some}
        return [
            target
            for _, target in sorted(every.items())
            if target.aim.first_day <= local_day(now, self._zone(target.aim.business_unit)) < target.aim.after_day
        ]

    async def standings(
        self, wanted_of: Sequence[Target], as_of: datetime, horizon_days: int | None = None
    ) -> list[Standing]:
        """Where these targets are, in their order, by `horizon_days` or by what the policy says; those for a number that is not defined
        any more, or was never known by their cut, are left out."""
        known = [target for target in wanted_of if _has_a_number(target.aim)]
        actuals = await self._answers({target: target.aim for target in known}, as_of, horizon_days)
        earlier = await self._answers(
            {
                target: replace(target.aim, first_day=first, after_day=after)
                for target in known
                if target.aim.baseline not in (None, Baseline.FIXED)
                for first, after in [self._days_before(target.aim)]
            },
            as_of,
            horizon_days,
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
            found.append(
                Standing(
                    target,
                    definition,
                    actual,
                    n,
                    wanted(aim, baseline),
                    baseline,
                    share,
                    others_of(actuals[target], aim),
                )
            )
        return found

    async def _answers(
        self, aims: Mapping[Target, Aim], as_of: datetime, horizon_days: int | None = None
    ) -> dict[Target, Values | None]:
        asks: dict[Ask, list[Target]] = defaultdict(list)
        for target, aim in aims.items():
            asks[self._ask_of(aim, horizon_days)].append(target)
        found: dict[Target, Values | None] = {}
        for ask, those in asks.items():
            question = self._question(ask, as_of)
            groups = {target: _group_of(ask, target.aim) for target in those}
            if len(ask.cuts) > 1:  # sums by one of them are kept; of several only theirs are read
                question = replace(question, filters=_named(question.group_by, groups.values()))
            try:
                values = await self._values(question)
                found.update({target: values.get(group or TOTAL) for target, group in groups.items()})
            except Rejected as refused:
                if refused.code != TOO_MANY:
                    raise
                for target, group in groups.items():
                    alone = replace(question, group_by=(), filters=_named(question.group_by, [group]))
                    found[target] = (await self._values(alone)).get(TOTAL)
        return found

    async def _values(self, question: Question) -> dict[Group | None, Values]:
        return await numbers.values_of(self._database, self._policy, self._progress, question)

    def _ask_of(self, aim: Aim, horizon_days: int | None) -> Ask:
        unit, definition = self._policy.unit(aim.business_unit or ""), BY_ID[aim.kpi]
        alone = is_judged(definition)
        days = None if is_given_a_lifetime(definition.form) else horizon_days
        return Ask(
            aim.kpi, aim.first_day, aim.after_day, days or unit.horizon_days,
            horizon_days / DAYS_A_MONTH if horizon_days else unit.customers.lifetime_months, unit.hygiene.stale_days, unit.zone,
            not alone and aim.business_unit is not None, aim.business_unit if alone else None, tuple(sorted(aim.cut)), aim.currency if is_money(definition) else None,
        )  # fmt: skip

    def _question(self, ask: Ask, as_of: datetime) -> Question:
        definition = BY_ID[ask.kpi]
        zones = {unit: self._zone(unit) for unit in self._policy.business_units}
        if definition.basis == "snapshot":
            as_of = min(as_of, midnight(ask.after_day, ask.zone))
        return Question(
            definition,
            as_of=as_of,
            horizon_days=ask.horizon_days,
            lifetime_months=ask.lifetime_months,
            stale_days=ask.stale_days,
            start=ask.first_day,
            end=ask.after_day,
            group_by=(*((UNIT,) if ask.of_units else ()), *ask.cuts),
            filters={} if ask.of_unit is None else {UNIT: (ask.of_unit,)},
            calendars=replace(calendars_of(self._policy, ()), zone=ask.zone, zones=zones),
            currency=ask.currency,
        )

    def _last_year(self, aim: Aim, as_of: datetime) -> Aim:
        """How much was won of what was decided in the year up to today, where the unit is."""
        until = as_of.astimezone(self._zone(aim.business_unit)).date() + timedelta(days=1)
        return replace(aim, kpi=RATE, first_day=until - timedelta(days=365), after_day=until)

    def _days_before(self, aim: Aim) -> tuple[date, date]:
        how: Comparison = "last_year" if aim.baseline is Baseline.LAST_YEAR else "previous"
        return compared(self._calendar(aim.business_unit), aim.first_day, aim.after_day, how)

    def _group(self, question: Question, aim: Aim) -> Group | None:
        """The group that a target is of, None for one that is of none of those asked about."""
        allowed = {name: question.filters[name] for name in question.filters if name != UNIT}
        named = {name for name in question.group_by if name not in PERIODS and name != UNIT}
        if set(aim.cut) != named | set(allowed) or any(aim.cut[name] not in allowed[name] for name in allowed):
            return None
        if any(len(allowed[name]) > 1 and name not in named for name in allowed):
            return None  # of one of several that are asked about together
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


def _group_of(ask: Ask, aim: Aim) -> Group:
    return (*((aim.business_unit,) if ask.of_units else ()), *(aim.cut[name] for name in ask.cuts))


def _named(names: Sequence[str], groups: Collection[Group]) -> dict[str, tuple[str | None, ...]]:
    """What groups are named by, as filters."""
    return {name: tuple({group[place]: None for group in groups}) for place, name in enumerate(names)}


def _has_a_number(aim: Aim) -> bool:
    definition = BY_ID.get(aim.kpi)
    return definition is not None and is_known(aim, definition)


def _is_of_units(question: Question, unit: str | None) -> bool:
    if UNIT in question.filters:
        return (
            unit is not None
            and unit in question.filters[UNIT]
            and (UNIT in question.group_by or len(question.filters[UNIT]) == 1)
        )
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
