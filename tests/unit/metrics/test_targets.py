"""How far the days of a target have come, and which numbers grow with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.targets import (
    Aim,
    Direction,
    Standing,
    Target,
    accumulates,
    elapsed_share,
    usual_direction,
)
from services.metrics.reporting.units import NEITHER, is_better
from services.metrics.storage.attaining import midnight

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 5, 1), 24)])
def test_a_day_has_as_many_hours_as_its_clocks_give_it(day: date, hours: int) -> None:
    start, end = midnight(day, BERLIN), midnight(day + timedelta(days=1), BERLIN)
    began = start.astimezone(UTC)
    assert elapsed_share(start, end, began + timedelta(hours=hours)) == 1
    assert elapsed_share(start, end, began + timedelta(hours=6)) == pytest.approx(6 / hours)
    assert elapsed_share(start, end, began) == 0


@pytest.mark.parametrize(
    ("kpi", "grows"), [("visitors", True), ("leads_created", True), ("sales_volume", True), ("win_rate_count", False)]
)
def test_counts_and_sums_grow_with_the_days(kpi: str, grows: bool) -> None:
    assert accumulates(BY_ID[kpi]) is grows


def standing(
    kpi: str, actual: float | None, wanted: float, baseline: float | None, elapsed: float, direction: Direction
) -> Standing:
    aim = Aim(None, kpi, {}, date(2026, 1, 1), date(2026, 4, 1), Decimal(str(wanted)), direction=direction)
    said = datetime(2026, 1, 1, tzinfo=UTC)
    target = Target(uuid4(), aim, "kim", said, 0, aim.value, said, 0)
    return Standing(target, BY_ID[kpi], actual, 0, wanted, baseline, elapsed)


@pytest.mark.parametrize("kpi", sorted(BY_ID))
def test_a_report_and_a_target_want_the_same_of_a_number(kpi: str) -> None:
    if kpi not in NEITHER:
        assert is_better(kpi, -0.1) is (usual_direction(BY_ID[kpi]) is Direction.AT_MOST)


@pytest.mark.parametrize(
    "kpi",
    ["stage_drop_off", "opportunities_lost", "leads_archived", "leads_marked", "order_refunds", "forecast_accuracy", "churn_rate", "payback", "cac", "speed_to_lead"],
)  # fmt: skip
def test_less_is_better_of_what_is_lost_put_aside_paid_or_waited_for(kpi: str) -> None:
    assert usual_direction(BY_ID[kpi]) is Direction.AT_MOST


LEAST, MOST = Direction.AT_LEAST, Direction.AT_MOST


@pytest.mark.parametrize(
    ("actual", "wanted", "baseline", "direction", "pace", "on_pace", "on_target"),
    [
        (-0.45, 0.2, -0.5, LEAST, None, False, False),
        (-0.1, 0.2, -0.5, LEAST, None, True, False),
        (0.3, 0.2, -0.5, LEAST, None, True, True),
        (-0.05, -0.1, -0.5, LEAST, None, True, True),
        (-0.05, -0.1, -0.5, MOST, None, False, False),
        (0.1, 0.0, -0.5, LEAST, None, True, True),
        (0.15, 0.3, 0.1, LEAST, 0.75, False, False),
        (-0.2, 0.3, 0.1, LEAST, -1.0, False, False),
        (-0.2, 0.3, 0.1, MOST, -1.0, True, True),
    ],
)
def test_what_may_be_below_nothing_is_held_against_what_should_be_and_not_divided_by_it(
    actual: float,
    wanted: float,
    baseline: float,
    direction: Direction,
    pace: float | None,
    on_pace: bool,
    on_target: bool,
) -> None:
    found = standing("source_roi", actual, wanted, baseline, 0.5, direction)
    assert found.pace == (None if pace is None else pytest.approx(pace))
    assert (found.on_pace, found.on_target) == (on_pace, on_target)


@given(
    actual=st.floats(-10, 10), wanted=st.floats(-10, 10), baseline=st.floats(-10, 10), elapsed=st.floats(0, 1),
    direction=st.sampled_from(Direction),
)  # fmt: skip
def test_more_of_it_never_makes_a_target_of_at_least_be_missed(
    actual: float, wanted: float, baseline: float, elapsed: float, direction: Direction
) -> None:
    here = standing("source_romi", actual, wanted, baseline, elapsed, direction)
    more = here._replace(actual=actual + 1)
    better, worse = (more, here) if direction is LEAST else (here, more)
    assert better.on_pace or not worse.on_pace
    assert better.on_target or not worse.on_target
    for one in (here, more):
        share_says = None if one.pace is None else one.pace >= 1 if direction is LEAST else one.pace <= 1
        assert share_says in (None, one.on_pace) or one.pace == pytest.approx(1)


def test_of_nothing_that_is_wanted_yet_nobody_is_on_the_pace() -> None:
    assert standing("leads_created", 0, 10, None, 0, LEAST).on_pace is None
    assert standing("order_refunds", 0, 0, None, 1, MOST).on_target is True
