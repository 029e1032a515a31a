"""Whether what forecasts would have been worth in the past is what a naive computation makes of it, period by period."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from tests.integration.metrics.foreseeing import (
    METHODS,
    PERIODS,
    assert_foreseen,
    calendar_of,
    foreseen_in,
    interval,
    near,
)
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.calendars import Calendar, periods_from
from tests.integration.metrics.naive.forecasts import Number
from tests.integration.metrics.naive.rates import Said
from tests.integration.metrics.proving import exactly
from tests.integration.metrics.worlds import CALENDARS, CURRENCIES, TERMS, ZONES, World

A_DAY = timedelta(days=1)


async def agree_on_backtest(metrics: Metrics, random: Random, world: World, as_of: datetime, said: list[Said]) -> int:
    """One unit's periods, or everybody's, forecast some days before each began; in how many of them anything was won."""
    unit, period, level = random.choice((None, *CALENDARS)), random.choice(PERIODS), random.choice((0.5, 0.8, 0.95))
    back, lead_days = random.choice((1, 2, 3) if period == "year" else (1, 3, 5)), random.choice((0, 0, 1, 30, 90))
    currency = random.choice((None, *CURRENCIES))
    asked = {"business_unit": unit, "period": period, "back": back, "level": level, "currency": currency}
    given = {name: one for name, one in asked.items() if one} | {"lead_days": lead_days, "as_of": as_of.isoformat()}
    answer = await metrics.client.get("/v1/forecast/backtest", params=given)
    assert answer.status_code == 200, answer.text
    told, into = answer.json(), currency or TERMS[unit or "default"].currency
    zone = ZONES[unit or "default"]
    now = foreseen_in(world, as_of, said, unit, None, into)
    windows = whole_periods(now.today, period, calendar_of(unit), back)
    assert [(one["period"], one["from"], one["to"]) for one in told["periods"]] == [
        (name, first.isoformat(), after.isoformat()) for name, first, after in windows
    ], f"{given}"
    assert (told["n"], told["currency"]) == (back, into)
    found: list[tuple[float, dict[str, Number]]] = []
    for one, (_, first, after) in zip(told["periods"], windows, strict=True):
        context = f"{first} of {given}"
        then = datetime.combine(first - timedelta(days=lead_days), time(), zone)
        actual = sum(
            now.then(line) or 0.0 for line in now.lines("won") if first <= now.asked.day_of(line.unit, line.at) < after
        )
        expected = foreseen_in(world, then, said, unit, None, into).forecasts(first, after, period)[True]
        assert one["actual"] == exactly(actual), context
        assert_foreseen(one, expected, level, context)
        found.append((actual, expected))
    for method in METHODS:
        assert_judged(told["methods"][method], [(actual, each[method]) for actual, each in found], level, f"{given}")
    return sum(actual > 0 for actual, _ in found)


def whole_periods(today: date, period: str, calendar: Calendar, back: int) -> list[tuple[str, date, date]]:
    """The last so many that are over, the earliest first."""
    ((_, first, _),) = periods_from(today, period, calendar, 1)
    found: list[tuple[str, date, date]] = []
    for _ in range(back):
        found = [*periods_from(first - A_DAY, period, calendar, 1), *found]
        first = found[0][1]
    return found


def assert_judged(told: dict[str, Any], pairs: list[tuple[float, Number]], level: float, context: str) -> None:
    """How far off all were together, and how often what came was between the bounds. Whether it is where it is on one of them is a
    matter of last digits."""
    whole = sum(actual for actual, _ in pairs)
    off = [number.won + number.to_come.mean - actual for actual, number in pairs]
    for name, together in (("wape", sum(map(abs, off))), ("bias", sum(off))):
        assert told[name] == (near(together / whole) if whole else None), f"{name} of {context}"
    surely = perhaps = 0
    for actual, number in pairs:
        low, high = interval(number, level)
        on_one = actual in (near(low), near(high))
        surely += low <= actual <= high and not on_one
        perhaps += low <= actual <= high or on_one
    assert surely <= told["within_interval"] <= perhaps, context
