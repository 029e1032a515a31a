"""Periods as people name them."""

from __future__ import annotations

from datetime import date

import pytest

from shared.cli.http import CommandFailed
from shared.cli.periods import Window, window_named

TODAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("1d", date(2026, 3, 31), date(2026, 4, 1)),
        ("2w", date(2026, 3, 18), date(2026, 4, 1)),
        ("1m", date(2026, 3, 1), date(2026, 4, 1)),
        ("6m", date(2025, 10, 1), date(2026, 4, 1)),
        ("1y", date(2025, 4, 1), date(2026, 4, 1)),
        ("2024", date(2024, 1, 1), date(2025, 1, 1)),
        ("2025-Q4", date(2025, 10, 1), date(2026, 1, 1)),
        ("2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ("this-month", date(2026, 3, 1), date(2026, 4, 1)),
        ("last-month", date(2026, 2, 1), date(2026, 3, 1)),
        ("this-quarter", date(2026, 1, 1), date(2026, 4, 1)),
        ("last-quarter", date(2025, 10, 1), date(2026, 1, 1)),
        ("last-year", date(2025, 1, 1), date(2026, 1, 1)),
        ("all", None, None),
    ],
)
def test_a_period_is_a_half_open_window_of_days(name: str, start: date | None, end: date | None) -> None:
    assert window_named(name, TODAY) == Window(start, end)


@pytest.mark.parametrize("name", ["", "soon", "2026-13", "2026-Q5", "6 m", "this-week"])
def test_a_word_that_is_no_period_is_answered_with_examples(name: str) -> None:
    with pytest.raises(CommandFailed, match="is no period") as raised:
        window_named(name, TODAY)
    assert "2026-Q3" in raised.value.fix


def test_a_window_says_its_last_day() -> None:
    assert str(window_named("2025", TODAY)) == "from 2025-01-01 to 2025-12-31"
    assert str(Window()) == "all time"
