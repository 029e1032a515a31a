"""What a policy would change, on everything that was recorded, before anybody runs with it. Nothing is written."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from services.scoring import storage
from services.scoring.api.parts import Known, Stored
from services.scoring.domain import Judge, replay
from shared.contracts.policy import Policy
from shared.kit.database import Transaction
from shared.kit.errors import Rejected

router = APIRouter()

SLICE = 50
MOVERS = 10


class BacktestRequest(BaseModel):
    """A page of leads by `policy`, beginning behind `after`, as of a moment or now."""

    policy: dict[str, Any]
    as_of: AwareDatetime | None = None
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 500


class Mover(BaseModel):
    """A lead whose score would move."""

    lead_id: UUID
    before: int
    after: int


class BacktestAnswer(BaseModel):
    """Counts of one page, to be added to those of the others. `grades` counts leads by `before → after`, `scores_…` by the
    ten of their score."""

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
    as_of: AwareDatetime
    next: UUID | None


def _policy(document: dict[str, Any]) -> Policy:
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise Rejected(told, code="invalid-policy", field="policy", fix="Mend the policy: docs/scoring.md.") from None


@router.post("/backtests")
async def backtest(asked: BacktestRequest, database: Stored, policies: Known) -> BacktestAnswer:
    """Scores recorded history by another policy and by the present one, and counts what would be different."""
    other = Judge(_policy(asked.policy))
    as_of = asked.as_of or database.clock.now()

    async def read(tx: Transaction) -> BacktestAnswer:
        await storage.in_snapshot(tx)
        people, following = await storage.people(tx, asked.after, asked.limit)
        counts: Counter[str] = Counter()
        grades: Counter[str] = Counter()
        before: Counter[int] = Counter()
        after: Counter[int] = Counter()
        movers: list[Mover] = []
        for number, person in enumerate(people):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            found = replay(person, policies.judge, other, as_of)
            if found is None:
                continue
            counts["leads"] += 1
            counts["changed"] += found.before.score != found.after.score or found.before.grade != found.after.grade
            counts["qualify_before"] += found.qualified_before
            counts["qualify_after"] += found.qualified_after
            counts["newly_qualify"] += found.qualified_after and not found.qualified_before
            counts["no_longer_qualify"] += found.qualified_before and not found.qualified_after
            grades[f"{found.before.grade} → {found.after.grade}"] += 1
            before[found.before.score // 10 * 10] += 1
            after[found.after.score // 10 * 10] += 1
            if found.before.score != found.after.score:
                movers.append(Mover(lead_id=person.root.lead_id, before=found.before.score, after=found.after.score))
        movers.sort(key=lambda one: (-abs(one.after - one.before), one.lead_id))
        names = ("leads", "changed", "qualify_before", "qualify_after", "newly_qualify", "no_longer_qualify")
        return BacktestAnswer(
            **{name: counts[name] for name in names},
            grades=dict(grades),
            scores_before=dict(before),
            scores_after=dict(after),
            movers=movers[:MOVERS],
            as_of=as_of,
            next=following,
        )

    return await database.run(read, deadline_seconds=20)
