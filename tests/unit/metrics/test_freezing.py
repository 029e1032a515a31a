"""When numbers are frozen: each week once, what was missed is known to be, and no clock change moves it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.freezing import FrozenForecast, Judged, accuracy_values, dues, latest_due, standing_for
from shared.contracts.policy.calendar import WEEKDAYS
from shared.contracts.policy.snapshots import Snapshots

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAYS = Snapshots(weekday="monday", hour=6, grace_hours=24)
MONDAY = datetime(2026, 3, 2, 6, tzinfo=AMSTERDAM)

rules = st.builds(
    Snapshots, weekday=st.sampled_from(WEEKDAYS), hour=st.integers(0, 23), grace_hours=st.integers(1, 160)
)
moments = st.integers(0, 24 * 1_000).map(lambda number: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number))
zones = st.sampled_from([AMSTERDAM, ZoneInfo("UTC"), ZoneInfo("Asia/Tehran"), ZoneInfo("America/New_York")])


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_it_is_taken_at_its_hour_and_not_again() -> None:
    assert dues(MONDAYS, AMSTERDAM, None, MONDAY - hours(1)).now is None
    assert dues(MONDAYS, AMSTERDAM, None, MONDAY) == ((), MONDAY)
    assert dues(MONDAYS, AMSTERDAM, MONDAY, MONDAY + hours(5)) == ((), None)
    assert dues(MONDAYS, AMSTERDAM, MONDAY, MONDAY + timedelta(days=7)).now == MONDAY + timedelta(days=7)


def test_after_downtime_what_was_missed_is_noted_and_what_is_in_time_is_taken() -> None:
    late = dues(MONDAYS, AMSTERDAM, MONDAY, MONDAY + timedelta(days=22))
    assert late.missed == (MONDAY + timedelta(days=7), MONDAY + timedelta(days=14))
    assert late.now == MONDAY + timedelta(days=21)
    too_late = dues(MONDAYS, AMSTERDAM, MONDAY, MONDAY + timedelta(days=9))
    assert too_late == ((MONDAY + timedelta(days=7),), None)


def test_what_was_before_anything_was_ever_taken_was_not_missed() -> None:
    assert dues(MONDAYS, AMSTERDAM, None, MONDAY + timedelta(days=3)) == ((), None)
    assert dues(Snapshots(), AMSTERDAM, None, MONDAY) == ((), None), "nothing is frozen where the policy names no day"


def test_it_stays_at_six_when_the_clocks_change() -> None:
    summer = dues(MONDAYS, AMSTERDAM, datetime(2026, 3, 23, 6, tzinfo=AMSTERDAM), datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert summer.now == datetime(2026, 3, 30, 4, tzinfo=UTC)


@given(rules, zones, moments, st.lists(st.integers(1, 24 * 40), max_size=6))
def test_every_week_is_taken_or_missed_exactly_once(
    own: Snapshots, zone: ZoneInfo, start: datetime, pauses: list[int]
) -> None:
    noted: list[datetime] = []
    now = start
    for pause in (0, *pauses):
        now += hours(pause)
        found = dues(own, zone, noted[-1] if noted else None, now)
        noted += [*found.missed, *([found.now] if found.now else [])]
    assert noted == sorted(set(noted))
    local = [one.astimezone(zone) for one in noted]
    assert {one.weekday() for one in local} <= {WEEKDAYS.index(own.weekday or "monday")}
    assert all((b.date() - a.date()).days == 7 for a, b in pairwise(local))
    if noted and (latest := latest_due(own, zone, now)):
        assert noted[-1] == latest, "nothing is left unsaid"


def test_a_forecast_stands_for_a_lead_time_if_it_was_frozen_shortly_before_it() -> None:
    begins = datetime(2026, 4, 1, tzinfo=UTC)
    weekly = [FrozenForecast(begins - timedelta(days=7 * week + 2), {}) for week in range(20)]
    for lead in (90, 60, 30, 0):
        found = standing_for(weekly, begins, lead)
        assert found is not None
        assert lead <= (begins - found.at).days < lead + 8
    assert standing_for(weekly[:2], begins, 30) is None
    assert standing_for([FrozenForecast(begins + hours(1), {})], begins, 0) is None, (
        "what was known later does not count"
    )


def test_wape_and_bias() -> None:
    judged = [Judged(0, "combined", 110, 100), Judged(0, "combined", 80, 100), Judged(30, "combined", 50, 100)]
    found = accuracy_values(judged, ("weighted", "combined"))
    assert (found["value"], found["bias"], found["n"]) == (pytest.approx(0.15), pytest.approx(-0.05), 2)
    by_lead = {one["lead_days"]: one["combined"]["wape"] for one in found["by_lead_time"]}
    assert by_lead == {90: None, 60: None, 30: pytest.approx(0.5), 0: pytest.approx(0.15)}


def test_it_is_told_by_which_rules_forecasts_were_made_and_from_when_on_those_are_the_same() -> None:
    quarters = [date(2026, month, 1) for month in (1, 4, 7, 10)]

    def told(*versions: int | None) -> dict[str, Any]:
        judged = [
            Judged(0, method, 90, 100, begins, version)
            for begins, version in zip(quarters, versions, strict=False)
            for method in ("weighted", "combined")
        ]
        found = accuracy_values(judged, ("weighted", "combined"))
        return {one["version"]: one["forecasts"] for one in found["versions"]} | {"alike": found["alike_from"]}

    assert told() == {"alike": None}
    assert told(None, None) == {None: 2, "alike": quarters[0]}
    assert told(None, 1, 1, 2) == {None: 1, 1: 2, 2: 1, "alike": quarters[3]}
    assert told(1, 2, 1, 2) == {1: 2, 2: 2, "alike": quarters[3]}
    assert told(1, 2, 1) == {1: 2, 2: 1, "alike": None}
