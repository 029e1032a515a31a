"""What moved a number, as people ask for it and read it."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from shared.cli.http import CommandFailed
from shared.cli.why import asked_about, number_text, print_why, window_text


def test_two_periods_are_named_and_left_to_whoever_knows_the_calendar() -> None:
    assert asked_about(("1404-11", "1404-12"), None) == {"before_period": "1404-11", "period": "1404-12"}


def test_with_a_period_they_are_moments_of_knowledge() -> None:
    asked = asked_about(("2026-03-01", "2026-03-20"), "last-month")
    assert asked == {"period": "last-month", "known": ["2026-03-01", "2026-03-20"]}


def test_moments_that_are_none_are_refused() -> None:
    with pytest.raises(CommandFailed):
        asked_about(("2026-01", "2026-02"), "2026")


def test_a_window_says_its_last_day() -> None:
    assert window_text(date(2025, 1, 1), date(2026, 1, 1)) == "from 2025-01-01 to 2025-12-31"
    assert window_text(None, None) == "all time"


@pytest.mark.parametrize(
    ("value", "unit", "money", "shown"),
    [
        (0.25, "ratio", None, "+25.00 points"),
        (-7200.0, "seconds", None, "-2.0 h"),
        (12.5, "currency", "EUR", "+12.50 EUR"),
        (3.0, "leads", None, "+3"),
        (None, "leads", None, "–"),
    ],
)
def test_a_move_is_told_in_the_numbers_own_kind(value: float | None, unit: str, money: str | None, shown: str) -> None:
    assert number_text(value, unit, money, signed=True) == shown


def test_parts_are_told_in_words() -> None:
    part = {"cause": "mix", "key": {"channel": None}, "amount": -0.05, "exact": "-1/20", "before": 0.2, "after": 0.4}
    change = {
        "of": "value", "currency": None, "before": 0.3, "after": 0.2, "change": -0.1, "exact": "-1/10",
        "method": "mix and rate", "note": None,
        "parts": [part, {**part, "cause": "rate", "key": {"channel": "phone"}, "before": 0.5, "after": 0.4}],
    }  # fmt: skip
    found: dict[str, Any] = {
        "kpi": "created_to_qualified_cohort", "unit": "ratio", "basis": "cohort", "reading": "windows",
        "before": {"from": "2026-01-01", "to": "2026-02-01"}, "after": {"from": "2026-02-01", "to": "2026-03-01"},
        "changes": [change],
    }  # fmt: skip
    out = StringIO()
    print_why(Console(file=out, width=150), found)
    text = " ".join(out.getvalue().split())
    assert "from 2026-02-01 to 2026-02-28 against from 2026-01-01 to 2026-01-31" in text
    assert "30.00 % → 20.00 %: -10.00 points" in text
    assert "a larger or smaller share of the whole unknown -5.00 points 50% 20.0% 40.0%" in text
    assert "another rate within phone -5.00 points 50% 50.00 % 40.00 %" in text
