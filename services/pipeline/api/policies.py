"""The policy over HTTP: as it holds for each unit, whether a new one is understood, and what it would have decided."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.guard import MANAGE, READ, Reaching, allowed
from services.pipeline.api.parts import Label, Unversioned, parts_of
from services.pipeline.domain.access import Reach
from services.pipeline.domain.dry_run import Totals
from services.pipeline.storage import dry_runs
from shared.contracts.policy import Policy
from shared.kit.database import Transaction
from shared.kit.documents import Fault, understood
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["policy"])

_READER = ThreadPoolExecutor(1, "policy")
"""One at a time: to understand a large policy takes a second of a processor."""


class Written(BaseModel):
    """A policy as it is written: the text of its YAML file."""

    model_config = ConfigDict(extra="forbid")

    document: Annotated[str, Field(min_length=1, max_length=500_000)]


class ToTry(Written):
    """A policy to be tried out, on the leads of one unit or of all."""

    business_unit: Label | None = None


@router.get("/policy", summary="The policy that decides now, for every unit or for one")
@allowed(READ)
async def policy(request: Request, reach: Reaching, business_unit: Label | None = None) -> Response:
    """Each unit with what it has of its own and what it has from the defaults. A unit that is not listed has the defaults."""
    known = parts_of(request).policy
    reach.within(business_unit)
    if business_unit is not None:
        return JSONAnswer(
            {
                "version": known.version,
                "business_unit": business_unit,
                "listed": business_unit in known.business_units,
                "policy": known.unit(business_unit).model_dump(mode="json"),
            }
        )
    units = {name: unit.model_dump(mode="json") for name, unit in known.business_units.items() if reach.holds(name)}
    defaults = known.defaults.model_dump(mode="json") if reach.all is None or reach.holds("default") else None
    return JSONAnswer({"version": known.version, "defaults": defaults, "business_units": units})


@router.post("/policy:validate", summary="Whether a policy is understood, and what is wrong on which line")
@allowed(MANAGE, of_no_unit=True)
async def validate(request: Request, written: Written) -> Response:
    """Every service would refuse to start with a policy that has a fault."""
    found, faults = await _understood(written.document)
    return JSONAnswer(
        {
            "valid": found is not None,
            "version": found.version if found is not None else None,
            "business_units": sorted(found.business_units) if found is not None else [],
            "faults": [fault._asdict() for fault in faults],
        }
    )


@router.post("/policy:dry-run", summary="Count what a new policy would have qualified", status_code=202)
@allowed(MANAGE)
async def dry_run(request: Request, reach: Reaching, asked: ToTry, circumstances: Unversioned) -> Response:
    """Answers at once; `GET /v1/policy/dry-runs/{job_id}` has how far it is, and what was counted. Nothing is decided by it."""
    units = reach.within(asked.business_unit)
    found, faults = await _understood(asked.document)
    if found is None:
        raise _not_understood(faults)
    job_id = circumstances.id_of("pipeline-dry-runs")
    database = parts_of(request).database

    async def work(transaction: Transaction) -> bool:
        return await dry_runs.ask(
            transaction,
            job_id,
            policy=asked.document,
            version=found.version,
            units=units,
            actor=circumstances.actor,
        )

    if not await database.run(work):
        raise Rejected(
            "This Idempotency-Key was used for another dry run.",
            status=409,
            code="idempotency-key-reused",
            field="Idempotency-Key",
            fix="Send a key of its own with each dry run.",
        )
    row = await dry_runs.one(database, job_id)
    return JSONAnswer(_shown(row), status_code=202, headers={"Location": f"/v1/policy/dry-runs/{job_id}"})


@router.get("/policy/dry-runs", summary="The last dry runs, newest first")
@allowed(MANAGE)
async def listing(request: Request, reach: Reaching) -> Response:
    """How far each is."""
    rows = await dry_runs.recent(parts_of(request).database, reach.all)
    return JSONAnswer({"items": [_shown(row) for row in rows]})


@router.get("/policy/dry-runs/{job_id}", summary="How far a dry run is, and what it has counted")
@allowed(MANAGE)
async def one(request: Request, reach: Reaching, job_id: UUID) -> Response:
    """`before` is what the policy of now would have decided, `after` what the new one would; both on what was known then."""
    row = await dry_runs.one(parts_of(request).database, job_id)
    if row is None or not _is_within(row, reach):
        raise Rejected(
            "There is no dry run of this id.",
            status=404,
            code="unknown-dry-run",
            fix="Look at GET /v1/policy/dry-runs.",
        )
    return JSONAnswer({**_shown(row), "result": Totals.of(row.counts).shown()})


async def _understood(document: str) -> tuple[Policy | None, list[Fault]]:
    return await asyncio.get_running_loop().run_in_executor(_READER, understood, document, Policy)


def _is_within(row: Any, reach: Reach) -> bool:
    """Whether somebody may see what was counted: all of it is of units that they reach."""
    return reach.all is None or (row.units is not None and all(map(reach.holds, row.units)))


def _shown(row: Any) -> dict[str, Any]:
    names = ("job_id", "status", "version", "units", "actor", "asked_at", "updated_at", "ended_at", "problem")
    return {**{name: getattr(row, name) for name in names}, "leads": row.leads, "leads_done": row.seen}


def _not_understood(faults: list[Fault]) -> Rejected:
    first = faults[0]
    return Rejected(
        f"The policy is not understood: line {first.line}: {first.place}: {first.problem}",
        status=422,
        code="policy-not-understood",
        field="document",
        fix="Mend it until POST /v1/policy:validate finds no fault.",
        extra={"faults": [fault._asdict() for fault in faults]},
    )
