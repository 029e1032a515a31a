"""Whether a window is compared with the one that a naive computation says, by any unit's calendar, and told what that one was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from services.metrics.domain.definitions import BY_ID
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.asked import Asked
from tests.integration.metrics.naive.calendars import Calendar, days_before, month_firsts
from tests.integration.metrics.naive.numbers import KPIS
from tests.integration.metrics.proving import another, assert_answered, exactly, parameters_of
from tests.integration.metrics.worlds import CALENDARS

COMPARED = tuple(kpi for kpi in KPIS if BY_ID[kpi].basis != "snapshot")
"""Of which there are windows."""


async def agree_on_comparison(metrics: Metrics, random: Random, kpi: str, asked: Asked, around: date) -> None:
    """One number of a window around a day, in one unit, beside the same of the window before it or of that of a year earlier."""
    unit, named = random.choice(list(CALENDARS)), random.choice((None, None, "jalali", "gregorian"))
    calendar = _named(CALENDARS[unit], named)
    start, end = a_window(random, calendar, around)
    any_of_it = another(random, kpi, asked)
    filters = {**(any_of_it.filters or {}), "business_unit": (unit,)}
    calendars = dict.fromkeys(asked.calendars, calendar)
    now = replace(any_of_it, start=start, end=end, filters=filters, calendars=calendars)
    if "policy_version" in now.cuts:
        now = replace(now, cuts=())
    how = random.choice(("previous", "last_year"))
    first, after = days_before(calendar, start, end, a_year=how == "last_year")
    parameters = {**parameters_of(kpi, now), "compare": how, **({"calendar": named} if named else {})}
    found = await metrics.ask(kpi, **parameters)
    beside = found["comparison"]
    context = f"{kpi} of {unit} {parameters}"
    assert (beside["from"], beside["to"]) == (first.isoformat(), after.isoformat()), context
    assert_answered(kpi, now, found, f"{parameters}")
    assert_answered(kpi, replace(now, start=first, end=after), beside, f"{parameters}, as it was before")
    is_, was = (one["total"]["value"] for one in (found, beside))
    if is_ is None or was is None or found["total"].get("currency") != beside["total"].get("currency"):
        assert beside["change"] is None, context
        return
    relative = exactly((is_ - was) / abs(was)) if was else None
    assert beside["change"] == {"absolute": exactly(is_ - was), "relative": relative}, context


def a_window(random: Random, calendar: Calendar, around: date) -> tuple[date, date]:
    """Whole months, whole weeks, or any days, so that a day is in them or near."""
    day = around + timedelta(days=random.randint(-9, 9))
    of = random.choice(("months", "weeks", "days"))
    if of == "months":
        firsts = month_firsts(calendar)
        place = max(number for number, first in enumerate(firsts) if first <= day)
        return firsts[place], firsts[place + random.choice((1, 1, 2, 3, 12))]
    if of == "weeks":
        while day.weekday() != calendar.week_starts:
            day -= timedelta(days=1)
        return day, day + timedelta(weeks=random.choice((1, 2, 13, 52)))
    return day, day + timedelta(days=random.choice((1, 2, 29, 30, 31, 90, 365)))


def _named(calendar: Calendar, named: str | None) -> Calendar:
    """A calendar that is asked for: the unit's own where it is that, else a plain one with the same weeks."""
    if named is None or calendar.jalali == (named == "jalali"):
        return calendar
    return Calendar(jalali=not calendar.jalali, week_starts=calendar.week_starts)
