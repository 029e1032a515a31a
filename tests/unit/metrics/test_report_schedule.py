"""When a report is due, in any zone and calendar, and after any time in which nothing was sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.report_schedule import MOST_MISSED, Due, Key, dues, pause
from shared.contracts.policy.calendar import Calendar, Period
from shared.contracts.policy.reports import Delivery

KEY = Key("", "weekly", "board")
AMSTERDAM, TEHRAN = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Asia/Tehran")
GREGORIAN, JALALI = Calendar(), Calendar(system="jalali", week_starts="saturday")


def found(
    period: Period, since: datetime, now: datetime, *, at: str = "08:00", days_after: int = 0,
    calendar: Calendar = GREGORIAN, zone: ZoneInfo = AMSTERDAM,
) -> list[Due]:  # fmt: skip
    delivery = Delivery(delivery="board", at=at, days_after=days_after, folder="board")
    return list(dues(KEY, delivery, period, calendar, zone, since, now))


def test_a_week_is_due_on_monday_at_eight_where_the_unit_is() -> None:
    sunday = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)  # already Monday in Amsterdam, where summer time has begun
    assert found("week", sunday, datetime(2026, 3, 30, 5, 59, tzinfo=UTC)) == []
    (due,) = found("week", sunday, datetime(2026, 3, 30, 6, 0, tzinfo=UTC))
    assert (due.first_day, due.after_day) == (date(2026, 3, 23), date(2026, 3, 30))
    assert due.due_at == datetime(2026, 3, 30, 6, 0, tzinfo=UTC)


def test_a_jalali_month_is_due_on_the_first_day_of_the_next() -> None:
    (due,) = found(
        "month", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 25, tzinfo=UTC), calendar=JALALI, zone=TEHRAN
    )
    assert (due.first_day, due.after_day) == (date(2026, 2, 20), date(2026, 3, 21))
    assert due.due_at == datetime(2026, 3, 21, 4, 30, tzinfo=UTC)


def test_a_time_that_clocks_leave_out_is_due_once_they_are_past_it() -> None:
    (due,) = found("day", datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC), at="02:30")
    assert due.due_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_days_after_the_end_leave_time_for_what_is_told_late() -> None:
    since, now = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 3, 12, tzinfo=UTC)
    assert [due.first_day for due in found("month", since, now, days_after=5)] == [date(2026, 2, 1)]


@given(
    since=st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")),
    steps=st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=40)), min_size=1, max_size=8),
    period=st.sampled_from(get_args(Period)),
    calendar=st.sampled_from([GREGORIAN, JALALI]),
    zone=st.sampled_from([AMSTERDAM, TEHRAN]),
    at=st.sampled_from(["00:00", "02:30", "08:00", "23:59"]),
)
def test_looking_often_or_seldom_finds_each_period_once(
    since: datetime, steps: list[timedelta], period: Period, calendar: Calendar, zone: ZoneInfo, at: str
) -> None:
    begin = at_once = since.replace(tzinfo=UTC)
    seen: list[Due] = []
    for step in steps:
        now = at_once + step
        seen += found(period, at_once, now, at=at, calendar=calendar, zone=zone)[::-1]
        at_once = now
    ids = [due.delivery_id for due in seen]
    assert len(set(ids)) == len(ids)
    assert all(begin < due.due_at <= at_once and due.after_day > due.first_day for due in seen)
    together = found(period, begin, at_once, at=at, calendar=calendar, zone=zone)
    assert len(together) <= MOST_MISSED
    assert [due.delivery_id for due in together] == [
        due.delivery_id for due in sorted(seen, key=lambda due: due.due_at)
    ][::-1][: len(together)]


def test_pauses_double_up_to_an_hour_and_heed_what_is_asked_for() -> None:
    minutes = [pause(attempts).total_seconds() / 60 for attempts in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause(1, timedelta(hours=3)) == timedelta(hours=3)
    assert pause(5, timedelta(seconds=1)) == timedelta(minutes=16)
    assert pause(1, timedelta(days=30)) == timedelta(days=1)
