"""Periods as people name them: what the command line shows is what metrics knows."""

from __future__ import annotations

from datetime import date

import pytest

from services.metrics.reporting.periods import window_named
from shared.cli.periods import EXAMPLES
from shared.contracts.policy.calendar import Calendar


@pytest.mark.parametrize("name", EXAMPLES.split(", "))
def test_every_example_is_a_period_that_metrics_knows(name: str) -> None:
    assert window_named(name, date(2026, 3, 31), Calendar()).start is not None
