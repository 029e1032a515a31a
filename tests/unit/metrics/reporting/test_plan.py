"""What a report asks of a target is what it asks of the number."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.metrics.reporting.periods import Window
from services.metrics.reporting.plan import Scope
from shared.contracts.policy.calendar import Calendar

WINDOW = Window(date(2026, 1, 1), date(2026, 4, 1), "quarter")
SCOPE = Scope(
    WINDOW, ("europe",), Calendar(), datetime(2026, 4, 2, tzinfo=UTC), ("week", WINDOW.start, date(2026, 4, 1)),
    horizon_days=20, filters=(("channel", "phone"),),
)  # fmt: skip


@pytest.mark.parametrize("kpi", ["lead_to_opportunity_incidence", "clv_projected", "sales_volume"])
def test_a_target_is_asked_about_as_its_number_is(kpi: str) -> None:
    asked = SCOPE.ask_target(kpi).parameters
    assert asked == (("of", kpi), *SCOPE.ask(kpi).parameters)
    assert (("horizon_days", "20") in asked) is (kpi != "clv_projected")
