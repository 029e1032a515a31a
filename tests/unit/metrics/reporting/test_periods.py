"""Periods as people name them, in the calendar of whoever is asked about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.reporting.periods import Window, key, label, last_whole, of_days, trend, window_named
from services.metrics.reporting.wording import Wording
from shared.contracts.policy.calendar import Calendar, Period, System
from shared.kit.errors import Rejected

TODAY = date(2026, 3, 31)
GREGORIAN, JALALI, FISCAL = (
    Calendar(),
    Calendar(system="jalali", week_starts="saturday"),
    Calendar(fiscal_year_starts=4),
)


@pytest.mark.parametrize(
    ("name", "calendar", "start", "end"),
    [
        ("1d", GREGORIAN, date(2026, 3, 31), date(2026, 4, 1)),
        ("2w", GREGORIAN, date(2026, 3, 18), date(2026, 4, 1)),
        ("1m", GREGORIAN, date(2026, 3, 1), date(2026, 4, 1)),
        ("6m", GREGORIAN, date(2025, 10, 1), date(2026, 4, 1)),
        ("1y", GREGORIAN, date(2025, 4, 1), date(2026, 4, 1)),
        ("2024", GREGORIAN, date(2024, 1, 1), date(2025, 1, 1)),
        ("2025-Q4", GREGORIAN, date(2025, 10, 1), date(2026, 1, 1)),
        ("2025-H2", GREGORIAN, date(2025, 7, 1), date(2026, 1, 1)),
        ("2024-02", GREGORIAN, date(2024, 2, 1), date(2024, 3, 1)),
        ("2024-02-29", GREGORIAN, date(2024, 2, 29), date(2024, 3, 1)),
        ("last-week", GREGORIAN, date(2026, 3, 23), date(2026, 3, 30)),
        ("this-month", GREGORIAN, date(2026, 3, 1), date(2026, 4, 1)),
        ("last-quarter", GREGORIAN, date(2025, 10, 1), date(2026, 1, 1)),
        ("all", GREGORIAN, None, None),
        ("this-month", JALALI, date(2026, 3, 21), date(2026, 4, 21)),
        ("last-month", JALALI, date(2026, 2, 20), date(2026, 3, 21)),
        ("last-week", JALALI, date(2026, 3, 21), date(2026, 3, 28)),
        ("1404-12", JALALI, date(2026, 2, 20), date(2026, 3, 21)),
        ("1404", JALALI, date(2025, 3, 21), date(2026, 3, 21)),
        ("1405-01-10", JALALI, date(2026, 3, 30), date(2026, 3, 31)),
        ("this-quarter", FISCAL, date(2026, 1, 1), date(2026, 4, 1)),
        ("2025/26-Q4", FISCAL, date(2026, 1, 1), date(2026, 4, 1)),
    ],
)
def test_a_period_is_a_half_open_window_of_days(name: str, calendar: Calendar, start: Any, end: Any) -> None:
    found = window_named(name, TODAY, calendar)
    assert (found.start, found.end) == (start, end)


@pytest.mark.parametrize("name", ["", "soon", "2026-13", "2026-Q5", "2026-02-30", "6 m", "99999y", "last-fortnight"])
def test_a_word_that_is_no_period_is_answered_with_examples(name: str) -> None:
    with pytest.raises(Rejected, match="is no period") as raised:
        window_named(name, TODAY, GREGORIAN)
    assert "2026-Q1" in (raised.value.fix or "")


@pytest.mark.parametrize("calendar", [GREGORIAN, JALALI, FISCAL])
def test_every_example_of_a_refusal_is_a_period_of_that_calendar(calendar: Calendar) -> None:
    with pytest.raises(Rejected) as raised:
        window_named("2026-Q7", TODAY, calendar)
    named = (raised.value.fix or "").removeprefix("Write one such as ").removesuffix(".").split(", ")
    assert len(named) == 13
    for name in named:
        window_named(name, TODAY, calendar)


DAYS = st.dates(date(1990, 1, 1), date(2080, 1, 1))
CALENDARS = st.sampled_from([GREGORIAN, JALALI, FISCAL])


@given(day=DAYS, period=st.sampled_from(get_args(Period)), calendar=CALENDARS)
def test_the_last_whole_period_is_over_and_no_other_comes_after_it(
    day: date, period: Period, calendar: Calendar
) -> None:
    found = last_whole(period, day, calendar)
    assert found.start is not None
    assert found.end is not None
    assert found.start < found.end <= day < calendar.moved(period, found.end, 1)
    assert of_days(found.start, found.end, calendar).start == found.start


@given(day=DAYS, days=st.integers(1, 900), calendar=CALENDARS)
def test_a_chart_of_any_window_has_room_on_a_page(day: date, days: int, calendar: Calendar) -> None:
    window = of_days(day, day + timedelta(days=days), calendar)
    period, start, end = trend(window, day + timedelta(days=days), calendar)
    assert start is not None
    first, bars = calendar.first_of(period, start), 0
    while first < end:
        first, bars = calendar.moved(period, first, 1), bars + 1
    assert 1 <= bars <= 32
    assert end == window.end


@pytest.mark.parametrize(
    ("name", "system", "language", "expected"),
    [
        ("2026-02", "gregorian", "en", "February 2026"),
        ("1404-12", "jalali", "fa", "اسفند ۱۴۰۴"),
        ("1404-12", "jalali", "en", "Esfand 1404"),
        ("2026-02", "gregorian", "he", "פברואר 2026"),
        ("2026-Q1", "gregorian", "he", "רבעון 1, 2026"),
        ("1404-Q4", "jalali", "fa", "سه‌ماههٔ چهارم ۱۴۰۴"),
        ("last-week", "gregorian", "en", "23 – 29 March 2026"),
        ("last-week", "jalali", "fa", "۱ فروردین تا ۷ فروردین ۱۴۰۵"),
        ("all", "gregorian", "en", "All time"),
    ],
)
def test_a_window_is_called_as_the_language_and_the_calendar_call_it(
    name: str, system: System, language: Any, expected: str
) -> None:
    calendar = JALALI if system == "jalali" else GREGORIAN
    assert label(window_named(name, TODAY, calendar), calendar, Wording(language, system)) == expected


def test_a_window_can_stand_in_the_name_of_a_file() -> None:
    assert key(window_named("2025/26-Q4", TODAY, FISCAL), FISCAL) == "2025-26-Q4"
    assert key(Window(date(2026, 1, 1), date(2026, 1, 8)), GREGORIAN) == "2026-01-01_2026-01-07"
    assert key(Window(), GREGORIAN) == "all"
