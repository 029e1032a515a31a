"""What of a lead somebody has to see to: who has it, or that nobody has it yet."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Held(NamedTuple):
    """An open lead as the worklist has it. `owner` is None for a qualified lead that waits for one; its score is of no use yet."""

    owner: str | None
    score: int | None
    since: datetime


def held(
    status: str,
    *,
    counts: bool,
    owner: str | None,
    score: int | None,
    assigned_at: datetime | None,
    qualified_at: datetime | None,
) -> Held | None:
    """Whether a lead is open work: worked or qualified, with somebody or waiting for somebody. A converted one is worked by its
    deals; one that was merged or is held out does not count."""
    if status not in ("qualified", "working") or not counts:
        return None
    if owner is not None and assigned_at is not None:
        return Held(owner, score, assigned_at)
    return Held(None, None, qualified_at) if status == "qualified" and qualified_at is not None else None
