"""What of a lead somebody has to see to: who has it, or that nobody has it yet."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.pipeline.domain.state import LeadState


class Held(NamedTuple):
    """An open lead as the worklist has it. `owner` is None for a qualified lead that waits for one."""

    owner: str | None
    score: int | None
    since: datetime


def held(state: LeadState, *, merged: bool) -> Held | None:
    """Whether a lead is open work: worked or qualified, with somebody or waiting for somebody. A converted one is worked by its
    deals."""
    if merged or state.mark is not None:
        return None
    status = state.status
    score = state.graded.score if state.graded is not None else None
    if state.assigned is not None and status in ("working", "qualified"):
        return Held(state.assigned.owner, score, state.assigned.key.occurred_at)
    if status == "qualified" and state.qualified_at is not None:
        return Held(None, score, state.qualified_at)
    return None
