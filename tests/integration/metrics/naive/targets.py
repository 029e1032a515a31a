"""What somebody wants a number to be, and how far it has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from tests.integration.metrics.naive.asked import Asked
from tests.integration.metrics.naive.calendars import Calendar, days_before
from tests.integration.metrics.naive.line import sums_of
from tests.integration.metrics.naive.numbers import answer

GROWING = ("sales_volume", "leads_created", "opportunities_won", "order_volume")
"""What adds up with the days: counts and sums."""
RATES = ("win_rate_count", "lead_to_opportunity_cohort", "speed_to_lead")
OF_TARGETS = ("target_attainment", "pace", "pipeline_coverage")
YEAR = timedelta(days=365)


class Aim(NamedTuple):
    """A target: for what number, of whom, of which days. A value may be so much more than a baseline, in parts of it or in points."""

    kpi: str
    unit: str | None
    owner: str | None
    first: date
    after: date
    value: float
    currency: str
    reading: str = "absolute"
    baseline: str | None = None
    baseline_value: float | None = None


def attainment(asked: Asked, aim: Aim) -> float | None:
    """What there is ÷ what is wanted."""
    actual, wanted = _number(asked, aim, aim.first, aim.after), _wanted(asked, aim)
    return _of(actual, wanted)


def pace(asked: Asked, aim: Aim) -> float | None:
    """What there is ÷ what should be there by now."""
    actual, wanted, from_where = _number(asked, aim, aim.first, aim.after), _wanted(asked, aim), _baseline(asked, aim)
    if wanted is None:
        return None
    passed = _passed(asked, aim)
    if aim.kpi in GROWING:
        wanted *= passed
    elif from_where is None:
        return None
    else:
        wanted = from_where + (wanted - from_where) * passed
    return _of(actual, wanted)


def _of(actual: float | None, wanted: float | None) -> float | None:
    """So much of what is wanted; of nothing or less than that there is no part."""
    return None if actual is None or wanted is None or wanted <= 0 else actual / wanted


def coverage(asked: Asked, aim: Aim) -> tuple[float | None, float | None]:
    """What open deals that are to close in the days are worth ÷ what is not sold yet; and 1 ÷ the share won in the last year."""
    wanted, sold = _wanted(asked, aim), _number(asked, aim, aim.first, aim.after)
    lines = _of_whom(asked, aim, aim.first, aim.after).groups()[None]
    lacks = (wanted or 0.0) - (sold or 0.0)
    value = sums_of(lines["expected"]).get(aim.currency, 0.0) / lacks if lacks > 0 else None
    today = asked.day_of(aim.unit or "default", asked.as_of)
    year = _of_whom(asked, aim, today + timedelta(days=1) - YEAR, today + timedelta(days=1))
    rate = answer(year, "win_rate_count")[None]["value"]
    return value, 1 / rate if rate else None


def _of_whom(asked: Asked, aim: Aim, first: date, after: date) -> Asked:
    named = {"business_unit": aim.unit, "owner": aim.owner}
    filters: dict[str, tuple[str | None, ...]] = {name: (value,) for name, value in named.items() if value is not None}
    return replace(asked, start=first, end=after, filters=filters, cuts=(), currency=aim.currency)


def _number(asked: Asked, aim: Aim, first: date, after: date) -> float | None:
    found = answer(_of_whom(asked, aim, first, after), aim.kpi)[None]
    if "money" in found:
        return float(found["money"].get(aim.currency, 0.0))
    return None if found["value"] is None else float(found["value"])


def _baseline(asked: Asked, aim: Aim) -> float | None:
    if aim.baseline in (None, "fixed"):
        return aim.baseline_value
    return _number(asked, aim, *_days_before(asked.calendars[aim.unit or "default"], aim))


def _wanted(asked: Asked, aim: Aim) -> float | None:
    if aim.reading == "absolute":
        return aim.value
    begins = _baseline(asked, aim)
    if begins is None:
        return None
    return begins * (1 + aim.value) if aim.reading == "relative" else begins + aim.value


def _passed(asked: Asked, aim: Aim) -> float:
    """The share of the time that has passed, by hours that really were."""
    zone = asked.zones[aim.unit or "default"]
    begins, ends = (datetime.combine(day, time(), zone).timestamp() for day in (aim.first, aim.after))
    return min(max((asked.as_of.timestamp() - begins) / (ends - begins), 0.0), 1.0)


def _days_before(calendar: Calendar, aim: Aim) -> tuple[date, date]:
    return days_before(calendar, aim.first, aim.after, a_year=aim.baseline == "last_year")
