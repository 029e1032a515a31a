"""The window, the cuts and the filters of a question as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
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
            f"WHEN {UNIT} = ANY(:units{place}) THEN {_period_sql(calendar, name, day, place)}"
            for place, calendar in enumerate(question.calendars.others, 1)
        ]
        own = _period_sql(question.calendars.default, name, day, 0)
        return f"CASE {' '.join(others)} ELSE {own} END" if others else own
    if name not in (UNIT, *DIMENSIONS):
        raise ValueError(f"no cut named {name}")
    return name


def _is_known_to_postgres(calendar: Calendar, period: str) -> bool:
    starts_alike = {"week": calendar.week_starts == "monday", "day": True, "month": True}
    return calendar.system == "gregorian" and starts_alike.get(period, calendar.fiscal_year_starts == 1)


def _period_sql(calendar: Calendar, period: str, day: str, place: int) -> str:
    if _is_known_to_postgres(calendar, period):
        return PERIOD_SQL[period].format(day=day)
    of = f"{period}{place}"
    return f"(CAST(:{of}_names AS text[]))[width_bucket({day}, CAST(:{of}_firsts AS date[]))]"


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
                found = periods(calendar, period, begins, ends)
                values[f"{period}{place}_firsts"] = list(found.firsts)
                values[f"{period}{place}_names"] = list(found.names)
    return values


def _days_asked_about(question: Question) -> tuple[date, date]:
    begins, ends = EARLIEST.date() - A_ZONE, question.as_of.date() + A_ZONE
    if question.definition.basis != "snapshot":
        begins = max(begins, _day(question.start) - A_ZONE) if question.start else begins
        ends = min(ends, _day(question.end) + A_ZONE) if question.end else ends
    return begins, max(begins, ends)


def named_days(question: Question) -> int:
    """How many days or weeks have to be named, since PostgreSQL does not know their calendar; months are never many."""
    used = (question.calendars.default, *question.calendars.others)
    cuts = [one for one in ("day", "week") if one in question.group_by]
    if not any(not _is_known_to_postgres(calendar, cut) for calendar in used for cut in cuts):
        return 0
    begins, ends = _days_asked_about(question)
    return (ends - begins).days


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


HELD = "valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of)"
