"""For how many days a number per day is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.answers import TOTAL, Cell, Group
from services.metrics.domain.calendars import Calendars
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.elapsed import DaysPassed
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import Question
from shared.contracts.policy.calendar import PERIODS, Calendar, Period

RATE = BY_ID["lead_generation_rate"]
JALALI = Calendar(system="jalali", week_starts="saturday")
APRIL = Calendar(fiscal_year_starts=4)
TEHRAN, YORK = ZoneInfo("Asia/Tehran"), ZoneInfo("America/New_York")
UNITS = Calendars(others={JALALI: ("tehran",), APRIL: ("york",)}, zones={"tehran": TEHRAN, "york": YORK})
LATE = datetime(2027, 1, 1, tzinfo=UTC)


def asked(*cuts: str, start: str = "2026-01-01", end: str = "2026-05-01", as_of: datetime = LATE) -> Question:
    return Question(
        RATE, as_of, 90, start=date.fromisoformat(start), end=date.fromisoformat(end), group_by=cuts, calendars=UNITS
    )


def days(question: Question, group: Group | None, first: datetime | None = None) -> float | None:
    return DaysPassed(question, [Cell(group, Measure.LEAD_CREATED, first_at=first)]).of(group)


@pytest.mark.parametrize(
    ("cuts", "group", "expected"),
    [
        ((), TOTAL, 120),
        (("month",), TOTAL, 120),
        (("channel",), ("phone",), 120),
        (("channel", "month"), (None, "2026-02"), 28),
        (("week",), ("2026-03-02",), 7),
        (("week",), ("2025-12-29",), 4),  # its first days are before the window
        (("quarter",), ("2026-Q2",), 30),  # its last ones after it
        (("quarter",), ("2025/26-Q4",), 90 - 1 / 24),  # as York calls it, and New York's clocks went forward in it
        (("week", "month"), ("2026-03-30", "2026-04"), 5),
        (("day",), ("2026-02-28",), 1),
        (("business_unit", "day"), ("york", "2026-03-08"), 23 / 24),
        (("business_unit", "month"), ("tehran", "1404-12"), 29),
        (("month",), ("1404-12",), 29),
        (("year", "business_unit"), ("1405", "tehran"), 41),
    ],
)
def test_a_period_has_its_own_days_as_far_as_they_are_in_the_window(
    cuts: tuple[str, ...], group: Group | None, expected: float
) -> None:
    assert days(asked(*cuts), group) == pytest.approx(expected)


def test_what_has_not_passed_is_no_part_of_it_and_midnight_is_where_the_unit_is() -> None:
    noon = asked("business_unit", "month", as_of=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert days(noon, (None, "2026-03")) == 0.5
    assert days(noon, ("york", "2026-03")) == pytest.approx(7 / 24)
    assert days(noon, ("tehran", "1404-12")) == pytest.approx(9 + 15.5 / 24)
    assert days(noon, TOTAL) == pytest.approx(59 + 15.5 / 24)  # most of it has passed in Tehran
    in_york = replace(noon, filters={"business_unit": ("york",)})
    assert days(in_york, TOTAL) == pytest.approx(59 + 7 / 24)


def test_without_a_beginning_it_begins_on_the_day_of_the_first_one() -> None:
    question = replace(asked("month", as_of=datetime(2026, 2, 11, tzinfo=UTC)), start=None, calendars=Calendars())
    assert days(question, TOTAL) is None
    first = datetime(2026, 1, 30, 18, tzinfo=UTC)
    assert days(question, TOTAL, first) == 12
    assert days(question, ("2026-01",), first) == 2
    assert days(question, ("2026-02",), first) == 10


@given(
    st.sampled_from(PERIODS),
    st.sampled_from(["", "tehran", "york"]),
    st.dates(date(2025, 1, 1), date(2026, 3, 1)),
    st.integers(0, 90),
    st.floats(0, 500),
)
def test_the_days_of_all_periods_of_a_unit_are_those_of_its_window(
    period: Period, unit: str, start: date, many: int, passed: float
) -> None:
    end = start + timedelta(days=many)
    as_of = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=passed)
    question = replace(
        asked(period, start=str(start), end=str(end), as_of=as_of), filters={"business_unit": (unit or None,)}
    )
    calendar = UNITS.of(unit)
    names = {calendar.name_of(period, calendar.first_of(period, start + timedelta(days=n))) for n in range(many)}
    counted = DaysPassed(question, [])
    assert sum(counted.of((name,)) or 0 for name in names) == pytest.approx(counted.of(TOTAL))


def test_groups_of_the_same_unit_and_periods_have_their_days_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    first_called = Calendar.first_called

    def counting(calendar: Calendar, period: Period, name: str) -> date | None:
        looked.append(name)
        return first_called(calendar, period, name)

    monkeypatch.setattr(Calendar, "first_called", counting)
    counted = DaysPassed(asked("campaign", "month", "business_unit"), [])
    groups = [(f"c{n}", month, "york") for n in range(1_000) for month in ("2026-02", "2026-03")]
    found = {(month, counted.of((campaign, month, unit))) for campaign, month, unit in groups}
    assert found == {("2026-02", 28), ("2026-03", 31 - 1 / 24)}
    assert looked == ["2026-02", "2026-03"]
