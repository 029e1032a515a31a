"""The window, the cuts and the filters of a question as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.calendars import periods
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import Weighted
from services.metrics.domain.questions import UNIT, Question
from shared.contracts.envelope import EARLIEST
from shared.contracts.policy.calendar import PERIODS, Calendar, Period

PERIOD_SQL = {
    "day": "to_char({day}, 'YYYY-MM-DD')",
    "week": "to_char(date_trunc('week', {day}), 'YYYY-MM-DD')",
    "month": "to_char({day}, 'YYYY-MM')",
    "quarter": "to_char({day}, 'YYYY-\"Q\"Q')",
    "half_year": "to_char({day}, 'YYYY') || CASE WHEN extract(month FROM {day}) <= 6 THEN '-H1' ELSE '-H2' END",
    "year": "to_char({day}, 'YYYY')",
}
"""How a local day names its period where PostgreSQL has the calendar; a week is named by its first day, a Monday."""

EXPECTED_OR_HAPPENED = ("expected_day", "day"), ("expected_close", "at")
"""An open deal counts when it is expected to close, one that was won when it was."""

AHEAD = timedelta(days=3653)
A_ZONE = timedelta(days=2)
"""No local day is further from the day in UTC."""

Where = tuple[list[str], dict[str, Any]]


def window(question: Question, day: str, at: str) -> Where:
    """The window on a day or moment column, and the filters. A snapshot has no window."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    bounds = () if question.definition.basis == "snapshot" else (("start", ">="), ("end", "<"))
    for name, operator in bounds:
        bound = getattr(question, name)
        if bound is not None:
            conditions.append(f"{at if isinstance(bound, datetime) else day} {operator} :{name}")
            values[name] = bound
    for number, (name, allowed) in enumerate(question.filters.items()):
        if name not in (UNIT, *DIMENSIONS):
            raise ValueError(f"no filter named {name}")
        known = [one for one in allowed if one is not None]
        either = [f"{name} = ANY(:filter{number})"] if known else []
        either += [f"{name} IS NULL"] if None in allowed else []
        conditions.append(f"({' OR '.join(either)})")
        if known:
            values[f"filter{number}"] = known
    return conditions, {**values, **_period_values(question)}


def cut_sql(question: Question, name: str, day: str) -> str:
    """By what is grouped. A period is that of the unit's own calendar."""
    if name in PERIODS:
        others = [
            f"WHEN {UNIT} = ANY(:units{place}) THEN {_period_sql(question, calendar, name, day, place)}"
            for place, calendar in enumerate(question.calendars.others, 1)
        ]
        own = _period_sql(question, question.calendars.default, name, day, 0)
        return f"CASE {' '.join(others)} ELSE {own} END" if others else own
    if name not in (UNIT, *DIMENSIONS):
        raise ValueError(f"no cut named {name}")
    return name


def _is_known_to_postgres(calendar: Calendar, period: str) -> bool:
    starts_alike = {"week": calendar.week_starts == "monday", "day": True, "month": True}
    return calendar.system == "gregorian" and starts_alike.get(period, calendar.fiscal_year_starts == 1)


AS_NUMBERS: dict[Period, str] = {"day": 'FM0000"-"00"-"00', "week": 'FM0000"-"00"-"00', "month": 'FM0000"-"00'}
"""What is named by numbers alone is kept as whole ones, which are written so: PostgreSQL walks through an array of texts from its
beginning each time, and goes straight to a number."""


def _period_sql(question: Question, calendar: Calendar, period: Period, day: str, place: int) -> str:
    if _is_known_to_postgres(calendar, period):
        return PERIOD_SQL[period].format(day=day)
    of = f"{period}{place}"
    at = f"width_bucket({day}, {_array(f'{of}_firsts', 'date')})"
    if _is_by_place(question, period):
        at = f"{day} - CAST(:{of}_first AS date) + 1"
    if period in AS_NUMBERS:
        return f"to_char({_array(f'{of}_names', 'integer')}[{at}], '{AS_NUMBERS[period]}')"
    return f"{_array(f'{of}_names', 'text')}[{at}]"


def _is_by_place(question: Question, period: Period) -> bool:
    """Whether a day is found by counting from the first: where some are far ahead, not all are named that lie between."""
    return period == "day" and not question.ahead


def _array(name: str, of: str) -> str:
    """An array that is given as its text, which is read once and not for every row."""
    return f"(SELECT CAST(:{name} AS {of}[]))"


def _period_values(question: Question) -> dict[str, Any]:
    """What a calendar that PostgreSQL does not know calls its periods, from where the answer begins to where it ends."""
    values: dict[str, Any] = {}
    begins, ends = _days_asked_about(question)
    for place, calendar in enumerate((question.calendars.default, *question.calendars.others)):
        cuts: list[Period] = [one for one in PERIODS if one in question.group_by]
        if place and cuts:
            values[f"units{place}"] = list(question.calendars.others[calendar])
        for period in cuts:
            if not _is_known_to_postgres(calendar, period):
                named = _named(calendar, period, begins, ends, question.ahead)
                values[f"{period}{place}_names"] = named.names
                if _is_by_place(question, period):
                    values[f"{period}{place}_first"] = named.first
                else:
                    values[f"{period}{place}_firsts"] = named.firsts
    return values


class Named(NamedTuple):
    """Periods one after the other: the first day of the first, the first days of all, and what each is called; as texts of arrays."""

    first: date
    firsts: str
    names: str


@lru_cache(maxsize=64)
def _named(calendar: Calendar, period: Period, begins: date, ends: date, ahead: tuple[date, ...]) -> Named:
    """Written once for all who ask about the same days: the driver takes longer to write a list than PostgreSQL to use it. After the
    last come those alone that there is a day `ahead` of."""
    found = periods(calendar, period, begins, ends)
    further = sorted({calendar.first_of(period, day) for day in ahead} - {*found.firsts})
    every = (*found.names, *(calendar.name_of(period, first) for first in further))
    names = (name.replace("-", "") for name in every) if period in AS_NUMBERS else every
    return Named(found.firsts[0], f"{{{','.join(map(str, (*found.firsts, *further)))}}}", f"{{{','.join(names)}}}")


def _days_asked_about(question: Question) -> tuple[date, date]:
    begins, ends = (question.since or EARLIEST.date()) - A_ZONE, _latest(question)
    if isinstance(question.definition.form, Weighted):
        ends += AHEAD  # open deals count when they are expected to close
    if question.definition.basis != "snapshot":
        begins = max(begins, _day(question.start) - A_ZONE) if question.start else begins
        ends = min(ends, _day(question.end) + A_ZONE) if question.end else ends
    return begins, max(begins, ends)


def far_ahead(question: Question) -> date | None:
    """The day after which a period is named only for days that there are: with deals that are to close years from now each day until
    then would be. None where PostgreSQL knows the calendar, or nothing is that late."""
    if not isinstance(question.definition.form, Weighted) or not _names_any(question, PERIODS):
        return None
    if question.end is not None and _day(question.end) + A_ZONE <= _latest(question) + AHEAD:
        return None
    return _days_asked_about(question)[1]


def names_days(question: Question) -> bool:
    """Whether days or weeks have to be named from where anything begins, since PostgreSQL does not know their calendar; months are never
    many."""
    if question.start is not None and question.definition.basis != "snapshot":
        return False
    return _names_any(question, ("day", "week"))


def _names_any(question: Question, of: Sequence[Period]) -> bool:
    """Whether it is cut by one of these periods in a calendar that PostgreSQL does not know."""
    used = (question.calendars.default, *question.calendars.others)
    cuts = [one for one in of if one in question.group_by]
    return any(not _is_known_to_postgres(calendar, cut) for calendar in used for cut in cuts)


def _latest(question: Question) -> date:
    return question.as_of.date() + A_ZONE


def _day(bound: date | datetime) -> date:
    return bound.date() if isinstance(bound, datetime) else bound


def days_of(question: Question) -> tuple[str, str]:
    """The columns that decide the window."""
    if isinstance(question.definition.form, Weighted):
        opened = f"measure = '{question.definition.form.still_open}'"
        day, at = (f"CASE WHEN {opened} THEN {then} ELSE {own} END" for then, own in EXPECTED_OR_HAPPENED)
        return day, at
    return ("cohort_day", "cohort_at") if question.definition.basis == "cohort" else ("day", "at")


def grouping(question: Question, day: str, always: Sequence[str]) -> tuple[str, str]:
    """Select list and GROUP BY for every group and, in the same pass, the total."""
    cuts = [cut_sql(question, name, day) for name in question.group_by]
    if not cuts:
        return "true AS is_total", f"GROUP BY {', '.join(always)}" if always else ""
    select = f"grouping({cuts[0]}) = 1 AS is_total, " + ", ".join(f"{cut} AS g{i}" for i, cut in enumerate(cuts))
    return select, f"GROUP BY GROUPING SETS (({', '.join(always)}), ({', '.join([*always, *cuts])}))"


def ungrouped(question: Question, day: str, always: Sequence[str] = ()) -> tuple[str, str]:
    """What rows are alike in to whoever groups them afterwards by `grouping(question, "day", always)`, as a select list and for GROUP
    BY: a period is named once for each day then, and not once for each row."""
    of_periods = [f"{day} AS day", UNIT] if any(name in PERIODS for name in question.group_by) else []
    columns = dict.fromkeys([*of_periods, *(name for name in question.group_by if name not in PERIODS), *always])
    places = ", ".join(str(place) for place in range(1, len(columns) + 1))
    return "".join(f"{column}, " for column in columns), places or "()"


class AtOnce(NamedTuple):
    """A question about one moment as SQL over entries: its select list and GROUP BY, the condition, and what these are
    given. `:open`, the measure of what stands there, is left to give."""

    select: str
    group_by: str
    where: str
    values: dict[str, Any]


def at_once(question: Question) -> AtOnce | None:
    """What is asked, of those that stand there at `as_of` and whatever the window. None where it is cut by periods: nobody stands in
    one."""
    if any(name in PERIODS for name in question.group_by):
        return None
    now = replace(question, definition=replace(question.definition, basis="snapshot"))
    day, at = days_of(now)
    conditions, values = window(now, day, at)
    select, group_by = grouping(now, day, ())
    where = " AND ".join(["measure = :open", held(question), *conditions])
    return AtOnce(select, group_by, where, {"as_of": question.as_of, **values})


def group_of(question: Question, row: Any) -> Group | None:
    return TOTAL if row.is_total else tuple(getattr(row, f"g{i}") for i in range(len(question.group_by)))


class Sums(NamedTuple):
    """A question of sums that are kept for one dimension at a time: by which it is cut or filtered (empty: none), whether
    it is cut by it, its other cuts beside the value, and its window and filters on `day`."""

    dimension: str
    grouped: bool
    cuts: list[str]
    conditions: list[str]
    values: dict[str, Any]

    @property
    def kept_as(self) -> list[str]:
        """The dimensions whose sums are needed: what is not known of one is what the known leaves of the whole."""
        return ["", self.dimension] if self.grouped else [self.dimension]


def of_sums(question: Question) -> Sums:
    """The question as sums take it."""
    conditions, values = window(question, "day", "at")
    dimension = question.dimension or ""
    grouped = dimension in question.group_by
    if not grouped and dimension:
        conditions = [condition.replace(f"({dimension} =", "(value =") for condition in conditions]
    cuts = ["value" if name == dimension else cut_sql(question, name, "day") for name in question.group_by]
    return Sums(dimension, grouped, cuts, conditions, values)


def held(question: Question) -> str:
    """Which entries held at `as_of`: where nothing was folded since, those that have not ended."""
    return "valid_to IS NULL" if question.behind is False else HELD


HELD = "valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of)"
