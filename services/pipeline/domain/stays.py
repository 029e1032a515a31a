"""How a deal went through its stages: every stay, how the deal came there, what it passed over, how long it was where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.pipeline.domain.deal_state import Move

How = Literal["opened", "next", "skipped", "back", "moved", "reopened"]


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay in a stage. `visit` counts how often the deal has been there, this time too; `skipped` are the stages of the
    policy that it passed over to come there. One that has not ended has no `left_at`."""

    stage: str
    position: int | None
    entered_at: datetime
    how: How
    visit: int
    skipped: tuple[str, ...] = ()
    left_at: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long it lasted, or has lasted until now. Never less than nothing."""
        return max(((self.left_at or now) - self.entered_at).total_seconds(), 0.0)


def stays_of(moves: Iterable[Move], names: Sequence[str]) -> list[Stay]:
    """Every stay, in order, `names` being the pipeline's stages as the policy has them now. As metrics counts them: entering
    the stage that a deal is in begins no stay, and neither does being opened once it is somewhere."""
    stays: list[Stay] = []
    here, ended = False, False
    for move in moves:
        at, stage = move.key.occurred_at, move.stage
        if move.event in ("OpportunityWon", "OpportunityLost"):
            if here:
                stays[-1] = replace(stays[-1], left_at=at)
            here, ended = False, True
            continue
        if stage is None or (here and stays[-1].stage == stage):
            continue
        if move.event == "OpportunityOpened" and (stays or ended):
            continue
        before = stays[-1] if stays else None
        if here and before is not None:
            stays[-1] = replace(before, left_at=at)
        how = "reopened" if ended else _how(before, move)
        skipped = _between(before, move, names) if how in ("opened", "skipped") else ()
        visit = 1 + sum(one.stage == stage for one in stays)
        stays.append(Stay(stage, move.position, at, how, visit, skipped))
        here, ended = True, False
    return stays


def time_in_stages(stays: Iterable[Stay], now: datetime) -> dict[str, float]:
    """Seconds in each stage, all stays together."""
    total: dict[str, float] = {}
    for stay in stays:
        total[stay.stage] = total.get(stay.stage, 0.0) + stay.seconds(now)
    return total


def _how(before: Stay | None, move: Move) -> How:
    if before is None:
        return "opened"
    if before.position is None or move.position is None:
        return "moved"
    step = move.position - before.position
    return "next" if step == 1 else "skipped" if step > 1 else "back"


def _between(before: Stay | None, move: Move, names: Sequence[str]) -> tuple[str, ...]:
    if move.position is None or (before is not None and before.position is None):
        return ()
    first = 0 if before is None or before.position is None else before.position + 1
    return tuple(names[first : move.position])
