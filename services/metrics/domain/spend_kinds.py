"""What money is spent on."""

from __future__ import annotations

from enum import StrEnum


class SpendKind(StrEnum):
    """What money was spent on."""

    ADVERTISING = "advertising"
    MARKETING = "marketing"
    SALARIES = "salaries"
    COMMISSIONS = "commissions"
    TRAVEL = "travel"
    TOOLS = "tools"


MARKETING = (SpendKind.ADVERTISING, SpendKind.MARKETING)
"""What brings leads."""

EVERYTHING = tuple(SpendKind)
"""What brings customers: marketing and sales."""
