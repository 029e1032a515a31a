"""How periods are named to metrics, which knows them; which days they are depends on a unit's calendar and clock."""

from __future__ import annotations

from enum import StrEnum

EXAMPLES = "last-week, last-month, this-quarter, 2026-03, 2026-Q3, 2026-H1, 2026, 30d, 12w, 6m, 1y, 2026-03-31"

OWN = "Months, quarters and years as the unit's calendar names them (2026/27-Q1, 1405-02)"


class System(StrEnum):
    """By whose months it is told."""

    GREGORIAN = "gregorian"
    JALALI = "jalali"
