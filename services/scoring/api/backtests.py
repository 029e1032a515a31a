"""What a policy would change, on everything that was recorded, before anybody runs with it. Nothing is written."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.scoring import storage
from services.scoring.api.parts import Known, Stored
from services.scoring.domain import Judge, Totals, replay, try_out
from shared.contracts.policy import Policy
from shared.kit.database import Transaction
from shared.kit.errors import Rejected

router = APIRouter()

SLICE = 50
MOVERS = 10
SUMS = ("leads", "changed", "qualify_before", "qualify_after", "newly_qualify", "no_longer_qualify")


class BacktestRequest(BaseModel):
    """A page of leads by `policy`, beginning behind `after`, as of a moment or now; and as each lead was `after_days` after
    it came in, for what comes of them and how many come in a week."""

    policy: dict[str, Any]
    as_of: AwareDatetime | None = None
    after: UUID | None = None
    after_days: Annotated[int, Field(ge=0, le=365)] = 1
    limit: Annotated[int, Field(ge=1, le=1_000)] = 500


class Mover(BaseModel):
    """A lead whose score would move."""

    lead_id: UUID
    before: int
    after: int


class ShownWeek(BaseModel):
    """The leads that came in in a week that begins on a Monday, by grade, and how many qualify."""

    model_config = ConfigDict(from_attributes=True)

    leads: int
    before: dict[str, int]
    after: dict[str, int]
    qualify_before: int
    qualify_after: int


class ShownEnds(BaseModel):
    """Of leads that got a score, or a grade: how many they were, and how many became an opportunity afterwards."""

    model_config = ConfigDict(from_attributes=True)

    scores: dict[int, tuple[int, int]]
    grades: dict[str, tuple[int, int]]


class BacktestAnswer(BaseModel):
    """Counts of one page, to be added to those of the others. `grades` counts leads by `before → after`, `scores_…` by the
    ten of their score. `weeks` and `ended_…` are of leads as they were `after_days` after they came in; `ended_…` counts
    those alone whose horizon is over."""

    leads: int
    changed: int
    grades: dict[str, int]
    scores_before: dict[int, int]
    scores_after: dict[int, int]
    qualify_before: int
    qualify_after: int
    newly_qualify: int
    no_longer_qualify: int
    movers: list[Mover]
    weeks: dict[date, ShownWeek]
    ended_before: ShownEnds
    ended_after: ShownEnds
    after_days: int
    as_of: AwareDatetime
    next: UUID | None


def _policy(document: dict[str, Any]) -> Policy:
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise Rejected(told, code="invalid-policy", field="policy", fix="Mend the policy: docs/scoring.md.") from None


@router.post("/backtests", summary="What another policy would make of recorded history")
async def backtest(asked: BacktestRequest, database: Stored, policies: Known) -> BacktestAnswer:
    """Scores recorded history by another policy and by the present one, and counts what would be different."""
    other = Judge(_policy(asked.policy))
    present = policies.judge
    as_of = asked.as_of or database.clock.now()
    after = timedelta(days=asked.after_days)

    async def read(tx: Transaction) -> BacktestAnswer:
        await storage.in_snapshot(tx)
        people, following = await storage.people(tx, asked.after, asked.limit)
        opened = await storage.first_opened(tx, [member.lead_id for person in people for member in person.members])
        totals = Totals()
        for number, person in enumerate(people):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            found = replay(person, present, other, as_of)
            if found is None:
                continue
            totals.add(person.root.lead_id, found)
            times = [opened[member.lead_id] for member in person.members if member.lead_id in opened]
            trial = try_out(person, min(times, default=None), present, other, as_of, after=after)
            if trial is not None:
                totals.add_trial(trial)
        movers = sorted(totals.movers, key=lambda one: (-abs(one[2] - one[1]), one[0]))[:MOVERS]
        return BacktestAnswer(
            **{name: totals.counts[name] for name in SUMS},
            grades=totals.grades,
            scores_before=totals.scores_before,
            scores_after=totals.scores_after,
            movers=[Mover(lead_id=lead_id, before=one, after=other) for lead_id, one, other in movers],
            weeks={week: ShownWeek.model_validate(counted) for week, counted in totals.weeks.items()},
            ended_before=ShownEnds.model_validate(totals.ended_before),
            ended_after=ShownEnds.model_validate(totals.ended_after),
            after_days=asked.after_days,
            as_of=as_of,
            next=following,
        )

    return await database.run(read, deadline_seconds=20)
