"""Periods are those of the unit's own calendar, and a window is compared with as many of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.calendars import Comparison, calendars_of, compared, periods
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.calendar import PERIODS, Calendar, Period

JALALI = Calendar(system="jalali", week_starts="saturday")
APRIL = Calendar(fiscal_year_starts=4)
MEHR = Calendar(system="jalali", fiscal_year_starts=7)

calendars = st.builds(
    Calendar,
    system=st.sampled_from(["gregorian", "jalali"]),
    week_starts=st.sampled_from(["monday", "saturday", "sunday"]),
    fiscal_year_starts=st.integers(1, 12),
)
days = st.dates(date(1899, 12, 29), date(2200, 1, 1))
some_period = st.sampled_from(PERIODS)

NOWRUZ = {
    1375: date(1996, 3, 20), 1376: date(1997, 3, 21), 1379: date(2000, 3, 20), 1391: date(2012, 3, 20),
    1395: date(2016, 3, 20), 1396: date(2017, 3, 21), 1399: date(2020, 3, 20), 1400: date(2021, 3, 21),
    1403: date(2024, 3, 20), 1404: date(2025, 3, 21), 1405: date(2026, 3, 21),
}  # fmt: skip
"""New Year's days as Iran kept them, or has announced them."""


@given(calendars, some_period, days)
def test_every_day_is_in_one_period_and_periods_follow_each_other(
    calendar: Calendar, period: Period, day: date
) -> None:
    first = calendar.first_of(period, day)
    following = calendar.moved(period, first, 1)
    assert first <= day < following
    assert calendar.first_of(period, following) == following
    assert calendar.moved(period, following, -1) == first
    assert calendar.name_of(period, first) != calendar.name_of(period, following)


@given(calendars, some_period, days)
def test_the_first_day_of_a_period_is_found_by_its_name(calendar: Calendar, period: Period, day: date) -> None:
    first = calendar.first_of(period, day)
    assert calendar.first_called(period, calendar.name_of(period, first)) == first


@pytest.mark.parametrize(
    ("calendar", "period", "name"),
    [(JALALI, "week", "1404-12-12"), (JALALI, "day", "1404-12-30"), (Calendar(), "day", "2026-02-29"), (Calendar(), "month", "2026"),
     (APRIL, "year", "2026"), (JALALI, "quarter", "")],
)  # fmt: skip
def test_a_name_that_a_calendar_gives_none_of_these_periods_is_none(
    calendar: Calendar, period: Period, name: str
) -> None:
    assert calendar.first_called(period, name) is None


@given(calendars, days)
def test_larger_periods_are_made_of_whole_smaller_ones(calendar: Calendar, day: date) -> None:
    months: tuple[Period, ...] = ("month", "quarter", "half_year", "year")
    for smaller, larger in pairwise(months):
        first = calendar.first_of(larger, day)
        assert calendar.first_of(smaller, first) == first


@pytest.mark.parametrize(("year", "day"), NOWRUZ.items())
def test_a_jalali_year_begins_on_nowruz(year: int, day: date) -> None:
    assert JALALI.first_of("year", day) == day
    assert JALALI.name_of("year", day) == str(year)
    assert JALALI.name_of("year", JALALI.first_of("year", day - timedelta(days=1))) == str(year - 1)


@pytest.mark.parametrize(("year", "length"), [(1403, 366), (1404, 365), (1399, 366), (1405, 365)])
def test_a_jalali_leap_year_ends_a_day_later(year: int, length: int) -> None:
    first = NOWRUZ[year]
    assert (JALALI.moved("year", first, 1) - first).days == length
    assert JALALI.moved("month", first, 12) - JALALI.moved("month", first, 11) == timedelta(days=length - 336)


@pytest.mark.parametrize(
    ("calendar", "period", "day", "first", "name"),
    [
        (Calendar(), "day", date(2026, 2, 25), date(2026, 2, 25), "2026-02-25"),
        (Calendar(), "week", date(2026, 3, 1), date(2026, 2, 23), "2026-02-23"),
        (Calendar(week_starts="sunday"), "week", date(2026, 3, 1), date(2026, 3, 1), "2026-03-01"),
        (Calendar(), "quarter", date(2026, 3, 31), date(2026, 1, 1), "2026-Q1"),
        (Calendar(), "half_year", date(2026, 7, 1), date(2026, 7, 1), "2026-H2"),
        (APRIL, "quarter", date(2026, 3, 31), date(2026, 1, 1), "2025/26-Q4"),
        (APRIL, "half_year", date(2026, 3, 31), date(2025, 10, 1), "2025/26-H2"),
        (APRIL, "year", date(2026, 4, 1), date(2026, 4, 1), "2026/27"),
        (APRIL, "month", date(2026, 4, 30), date(2026, 4, 1), "2026-04"),
        (Calendar(fiscal_year_starts=2), "year", date(1999, 12, 1), date(1999, 2, 1), "1999/00"),
        (JALALI, "day", date(2026, 11, 25), date(2026, 11, 25), "1405-09-04"),
        (JALALI, "week", date(2026, 11, 25), date(2026, 11, 21), "1405-08-30"),
        (JALALI, "month", date(2026, 11, 25), date(2026, 11, 22), "1405-09"),
        (JALALI, "quarter", date(2026, 11, 25), date(2026, 9, 23), "1405-Q3"),
        (JALALI, "half_year", date(2026, 11, 25), date(2026, 9, 23), "1405-H2"),
        (MEHR, "year", date(2026, 9, 22), date(2025, 9, 23), "1404/05"),
    ],
)
def test_what_a_period_is_called(calendar: Calendar, period: Period, day: date, first: date, name: str) -> None:
    assert calendar.first_of(period, day) == first
    assert calendar.name_of(period, first) == name


@given(calendars, some_period, days, st.integers(0, 900))
def test_periods_from_a_day_to_another_hold_every_day_between(
    calendar: Calendar, period: Period, start: date, length: int
) -> None:
    end = start + timedelta(days=length)
    found = periods(calendar, period, start, end)
    assert len(found.firsts) == len(found.names) == len(set(found.names))
    assert found.firsts[0] <= start
    assert found.firsts[-1] <= end < calendar.moved(period, found.firsts[-1], 1)
    for one, other in pairwise(found.firsts):
        assert calendar.moved(period, one, 1) == other
    assert list(found.names) == [calendar.name_of(period, first) for first in found.firsts]


def test_days_are_named_by_their_months_and_not_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[date] = []
    name_of = Calendar.name_of

    def seen(calendar: Calendar, period: Period, day: date) -> str:
        asked.append(day)
        return name_of(calendar, period, day)

    monkeypatch.setattr(Calendar, "name_of", seen)
    found = periods(JALALI, "day", date(1900, 1, 2), date(2026, 11, 26))
    assert len(found.firsts) == (date(2026, 11, 26) - date(1900, 1, 2)).days + 1
    assert len(asked) < 2_000


@pytest.mark.parametrize(
    ("calendar", "window", "how", "expected"),
    [
        (Calendar(), ("2026-03-01", "2026-04-01"), "previous", ("2026-02-01", "2026-03-01")),
        (Calendar(), ("2024-03-01", "2024-04-01"), "last_year", ("2023-03-01", "2023-04-01")),
        (Calendar(), ("2026-01-01", "2026-04-01"), "previous", ("2025-10-01", "2026-01-01")),
        (Calendar(), ("2026-03-02", "2026-03-16"), "previous", ("2026-02-16", "2026-03-02")),
        (Calendar(), ("2026-03-02", "2026-03-09"), "last_year", ("2025-03-03", "2025-03-10")),
        (Calendar(), ("2026-03-03", "2026-03-10"), "previous", ("2026-02-24", "2026-03-03")),
        (Calendar(), ("2024-02-29", "2024-03-05"), "last_year", ("2023-02-28", "2023-03-05")),
        (Calendar(), ("2028-01-01", "2028-03-10"), "last_year", ("2027-01-01", "2027-03-11")),
        (Calendar(), ("2029-01-01", "2029-03-10"), "last_year", ("2028-01-01", "2028-03-09")),
        (JALALI, ("2025-03-15", "2025-03-24"), "last_year", ("2024-03-15", "2024-03-24")),
        (JALALI, ("2026-03-21", "2026-04-21"), "previous", ("2026-02-20", "2026-03-21")),
        (JALALI, ("2025-03-21", "2026-03-21"), "last_year", ("2024-03-20", "2025-03-21")),
        (JALALI, ("2025-03-19", "2025-03-20"), "last_year", ("2024-03-19", "2024-03-20")),
        (JALALI, ("2025-03-20", "2025-03-22"), "last_year", ("2024-03-19", "2024-03-21")),
        (APRIL, ("2025-04-01", "2026-04-01"), "previous", ("2024-04-01", "2025-04-01")),
    ],
)
def test_a_window_is_compared_with_as_many_of_its_own_calendars_units(
    calendar: Calendar, window: tuple[str, str], how: Comparison, expected: tuple[str, str]
) -> None:
    start, end = map(date.fromisoformat, window)
    assert compared(calendar, start, end, how) == tuple(map(date.fromisoformat, expected))


@given(calendars, days, st.integers(1, 24))
def test_whole_months_are_compared_with_as_many_whole_months(calendar: Calendar, day: date, months: int) -> None:
    start = calendar.first_of("month", day)
    end = calendar.moved("month", start, months)
    before = compared(calendar, start, end, "previous")
    assert before == (calendar.moved("month", start, -months), start)
    last_year = compared(calendar, start, end, "last_year")
    assert last_year == (calendar.moved("month", start, -12), calendar.moved("month", end, -12))


@given(calendars, days, st.integers(1, 800), st.sampled_from(["previous", "last_year"]))
def test_what_is_not_made_of_months_is_compared_with_as_many_days(
    calendar: Calendar, day: date, many: int, how: Comparison
) -> None:
    end = day + timedelta(days=many)
    if calendar.first_of("month", day) == day and calendar.first_of("month", end) == end:
        return
    before = compared(calendar, day, end, how)
    assert before[1] - before[0] == end - day, "a leap day in one of them is no day more"
    assert before[1] == day if how == "previous" else 364 <= (day - before[0]).days <= 367


def test_each_unit_has_its_own_calendar_and_an_unnamed_one_that_of_the_defaults() -> None:
    policy = Policy(
        version="1",
        defaults=UnitPolicy(),
        business_units={
            "tehran": UnitPolicy(calendar=JALALI),
            "shiraz": UnitPolicy(calendar=JALALI),
            "delft": UnitPolicy(),
        },
    )
    everybody = calendars_of(policy, ())
    assert (everybody.default, everybody.others) == (Calendar(), {JALALI: ("shiraz", "tehran")})
    assert everybody.only is None
    assert calendars_of(policy, ["tehran"]).only == JALALI
    assert calendars_of(policy, ["tehran", "shiraz"]).only == JALALI
    assert calendars_of(policy, ["delft", "elsewhere"]).only == Calendar()
    assert calendars_of(policy, ["tehran", "delft"]).others == {JALALI: ("tehran",)}


def test_the_day_is_that_of_the_one_unit_asked_about_and_of_several_that_of_the_defaults() -> None:
    units = {"auckland": UnitPolicy(time_zone="Pacific/Auckland"), "delft": UnitPolicy(time_zone="Europe/Amsterdam")}
    policy = Policy(version="1", defaults=UnitPolicy(), business_units=units)
    noon = datetime(2026, 1, 19, 12, tzinfo=UTC)
    for asked, today in ((["auckland"], 20), (["auckland", "delft"], 19), ([], 19)):
        found = calendars_of(policy, asked)
        assert found.day(None, noon) == date(2026, 1, today), asked
        assert [found.day(unit, noon).day for unit in ("auckland", "delft")] == [20, 19]


@given(calendars, st.sampled_from(["month", "quarter", "half_year", "year"]), days)
def test_a_period_is_found_by_its_name(calendar: Calendar, period: Period, day: date) -> None:
    first = calendar.first_of(period, day)
    assert calendar.named(calendar.name_of(period, first)) == (period, first)


@pytest.mark.parametrize(
    "name", ["", "26", "2026-Q5", "2026-13", "2026-1", "2026-00", "2026/28", "2026-03-01", "2026/27-03", "9999-H3"]
)
def test_what_no_calendar_calls_a_period_is_none(name: str) -> None:
    assert all(calendar.named(name) is None for calendar in (Calendar(), JALALI, APRIL, MEHR))
