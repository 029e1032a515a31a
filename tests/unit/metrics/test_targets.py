"""How far the days of a target have come, and which numbers grow with them."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.targets import accumulates, elapsed_share
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
