"""How much of a local day has passed at a moment, and whole numbers of what was taken by parts of days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.calendars import Calendars
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.parted_days import WHOLE, Parted, parted, passed
from services.metrics.domain.quality_answers import in_whole
from services.metrics.domain.questions import Question

NAMES = (
    "UTC",
    "Asia/Tehran",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Beirut",
    "Australia/Lord_Howe",
)
ZONES = st.sampled_from([ZoneInfo(name) for name in NAMES])
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=15 * 365)).map(
    lambda more: datetime(2015, 1, 1, tzinfo=UTC) + more
)


@pytest.mark.parametrize(
    ("zone", "at", "day", "share"),
    [
        ("UTC", "2026-05-01T12:00:00+00:00", "2026-05-01", Fraction(1, 2)),
        ("UTC", "2026-05-01T00:00:00+00:00", "2026-05-01", Fraction(0)),
        ("Asia/Tehran", "2026-05-01T20:30:00+00:00", "2026-05-02", Fraction(0)),
        ("Asia/Tehran", "2026-05-01T02:30:00+00:00", "2026-05-01", Fraction(1, 4)),
        ("Europe/Berlin", "2026-03-29T10:00:00+00:00", "2026-03-29", Fraction(11, 23)),
        ("America/New_York", "2026-11-01T16:00:00+00:00", "2026-11-01", Fraction(12, 25)),
        ("America/Havana", "2026-03-08T05:00:00+00:00", "2026-03-08", Fraction(0)),  # its midnight does not exist
        ("America/Havana", "2026-03-08T16:30:00+00:00", "2026-03-08", Fraction(1, 2)),
    ],
)
def test_a_day_is_as_long_as_its_zone_has_it(zone: str, at: str, day: str, share: Fraction) -> None:
    found, parts = passed(datetime.fromisoformat(at), ZoneInfo(zone))
    assert found == date.fromisoformat(day)
    assert parts == share * WHOLE // 1


@given(ZONES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_of_a_later_moment_no_less_has_passed(zone: ZoneInfo, at: datetime, more: timedelta) -> None:
    first, then = passed(at, zone), passed(at + more, zone)
    assert first <= then
    assert 0 <= first[1] < WHOLE
    begins = datetime.combine(first[0], time(), zone).astimezone(UTC)
    assert first[1] / WHOLE * 24 == pytest.approx((at - begins) / timedelta(hours=1), abs=1.001)


def test_units_are_told_apart_by_where_they_are() -> None:
    at = datetime(2026, 5, 1, 20, 30, tzinfo=UTC)
    tehran, berlin = ZoneInfo("Asia/Tehran"), ZoneInfo("Europe/Berlin")
    calendars = Calendars(zones={"tehran": tehran, "shiraz": tehran, "berlin": berlin})
    question = Question(BY_ID["lead_to_opportunity_cohort"], at, 30, calendars=calendars)
    assert parted(question.seen_from(None, [tehran]), at) == [Parted(None, date(2026, 5, 2), 0)]
    assert parted(question.seen_from(None, [ZoneInfo("UTC"), tehran, berlin]), at) == [
        Parted(("tehran", "shiraz"), date(2026, 5, 2), 0),
        Parted(("berlin",), date(2026, 5, 1), WHOLE * 45 // 48),
        Parted(None, date(2026, 5, 1), WHOLE * 41 // 48),
    ]


KEYS = st.tuples(st.none() | st.text(max_size=2))
PARTS = st.tuples(st.integers(0, 50), st.integers(0, WHOLE))


@given(st.dictionaries(KEYS, PARTS))
def test_whole_numbers_of_groups_add_up_to_the_total_and_are_near_their_own(told: dict[Group, tuple[int, int]]) -> None:
    groups: dict[Group | None, tuple[int, float]] = {key: (n, n * parts / WHOLE) for key, (n, parts) in told.items()}
    sums = sum(n for n, _ in groups.values()), sum(stale for _, stale in groups.values())
    found = in_whole({**groups, TOTAL: sums})
    assert found[TOTAL].stale == sum(one.stale for group, one in found.items() if group is not TOTAL)
    for group, (n, stale) in groups.items():
        assert found[group].open == n
        assert abs(found[group].stale - stale) < 1
        assert found[group].stale <= n
    assert in_whole({}) == {}
