"""Business time passes while somebody works, whatever the clock on the wall does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.business_time import BusinessCalendar, NoTimeLeft
from shared.contracts.policy import WorkingHours

OFFICE = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), "09:00-17:00")
ZONES = ("UTC", "Europe/Amsterdam", "America/New_York", "Asia/Tehran", "America/Havana", "Australia/Lord_Howe")

HOURS = st.sampled_from(
    [
        WorkingHours(),
        WorkingHours(**OFFICE),
        WorkingHours(**{**OFFICE, "monday": ("08:15-12:00", "13:00-24:00")}),
        WorkingHours(sunday="00:00-03:00", saturday="22:00-24:00"),
        WorkingHours(**OFFICE, holidays=(date(2026, 3, 30), date(2026, 10, 26))),
        WorkingHours(sunday=("00:30-02:30", "02:30-04:00")),
    ]
)
CALENDARS = st.builds(lambda hours, zone: BusinessCalendar.of(hours, ZoneInfo(zone)), HOURS, st.sampled_from(ZONES))
MOMENTS = st.integers(0, 60 * 24 * 260).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
DURATIONS = st.integers(0, 60 * 24 * 5).map(lambda minutes: timedelta(minutes=minutes))


def calendar(zone: str = "Europe/Amsterdam", **hours: object) -> BusinessCalendar:
    return BusinessCalendar.of(WorkingHours.model_validate(hours or OFFICE), ZoneInfo(zone))


def local(text: str, zone: str = "Europe/Amsterdam") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02T10:00", 2, "2026-03-02T12:00"),
        ("2026-03-02T16:00", 2, "2026-03-03T10:00"),
        ("2026-03-06T16:30", 1, "2026-03-09T09:30"),
        ("2026-03-07T12:00", 0, "2026-03-09T09:00"),
        ("2026-03-02T03:00", 8, "2026-03-02T17:00"),
        ("2026-03-02T17:00", 0, "2026-03-03T09:00"),
    ],
)
def test_what_is_due_in_hours_is_due_in_working_hours(start: str, hours: int, end: str) -> None:
    assert calendar().add(local(start), timedelta(hours=hours)) == local(end)


def test_holidays_are_no_working_time() -> None:
    easter = calendar(**OFFICE, holidays=["2026-04-03", "2026-04-06"])
    assert easter.add(local("2026-04-02T16:00"), timedelta(hours=2)) == local("2026-04-07T10:00")
    assert not easter.is_open(local("2026-04-06T10:00"))


@pytest.mark.parametrize(("day", "real"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-03-28", 24)])
def test_a_day_on_which_the_clock_changes_has_as_much_time_as_it_really_has(day: str, real: int) -> None:
    start = local(f"{day}T00:00")
    end = local((date.fromisoformat(day) + timedelta(days=1)).isoformat() + "T00:00")
    assert calendar(**dict.fromkeys(("saturday", "sunday"), "00:00-24:00")).between(start, end) == timedelta(hours=real)


def test_the_hour_that_comes_twice_is_worked_twice_and_the_one_left_out_not_at_all() -> None:
    night = calendar(sunday="01:00-03:00")
    assert night.between(local("2026-10-25T00:00"), local("2026-10-26T00:00")) == timedelta(hours=3)
    assert night.between(local("2026-03-29T00:00"), local("2026-03-30T00:00")) == timedelta(hours=1)


def test_a_calendar_without_time_says_so_instead_of_looking_for_ever() -> None:
    gone = calendar(**OFFICE, holidays=[date(2026, 1, 1) + timedelta(days=day) for day in range(1000)])
    with pytest.raises(NoTimeLeft):
        gone.add(local("2026-03-02T10:00"), timedelta(hours=1))


@given(CALENDARS, MOMENTS, DURATIONS)
def test_what_was_added_has_passed(one: BusinessCalendar, start: datetime, duration: timedelta) -> None:
    end = one.add(start, duration)
    assert end >= start
    assert one.between(start, end) == duration


@given(CALENDARS, MOMENTS, DURATIONS, DURATIONS)
def test_more_takes_no_less_long_and_two_waits_are_as_long_as_both(
    one: BusinessCalendar, start: datetime, first: timedelta, second: timedelta
) -> None:
    assert one.add(start, first) <= one.add(start, first + second)
    there = one.add(one.add(start, first), second)
    if second:
        assert there == one.add(start, first + second)
    else:
        assert one.between(start, there) == first


@given(CALENDARS, MOMENTS)
def test_the_next_working_moment_is_one(one: BusinessCalendar, start: datetime) -> None:
    opening = one.add(start, timedelta())
    assert one.is_open(opening)
    assert one.is_open(start) == (opening == start)


@given(CALENDARS, MOMENTS, MOMENTS, MOMENTS)
def test_time_between_adds_up(one: BusinessCalendar, a: datetime, b: datetime, c: datetime) -> None:
    first, middle, last = sorted((a, b, c))
    assert one.between(first, middle) + one.between(middle, last) == one.between(first, last)
    assert one.between(first, last) <= last - first
    assert not one.between(last, first)
