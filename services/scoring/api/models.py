"""The registry of models over HTTP: what speaks, what was learned, who decided so, and how to take it back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from services.scoring import storage
from services.scoring.api.parts import Stored, not_there
from services.scoring.domain.model import UnusableArtefact, read_kept
from services.scoring.domain.model.decisions import DecisionKind, spoke_before
from shared.kit.database import Transaction
from shared.kit.errors import Rejected

router = APIRouter()


class ShownModel(BaseModel):
    """A model: an `active` one speaks, a `challenger` never did, a `retired` one does no more. `verdict` is why it was
    activated or not when it was learned. `outcome` is what it foretells of leads. An empty business unit stands for every unit
    that has none of its own."""

    version: str
    outcome: str
    business_unit: str
    status: str
    verdict: str
    checksum: str
    format_version: int
    horizon_days: int
    data_from: AwareDatetime
    data_to: AwareDatetime
    examples: int
    positives: int
    features: list[dict[str, Any]]
    metrics: dict[str, Any]
    trained_at: AwareDatetime
    trained_by: str


class ShownDecision(BaseModel):
    """Who let which model speak, in the place of which; without a version, that none does."""

    outcome: str
    business_unit: str
    kind: str
    version: str | None
    replaced: str | None
    at: AwareDatetime
    by: str
    reason: str


class ShownLast(BaseModel):
    """What the last training came to for an outcome of a unit."""

    outcome: str
    business_unit: str
    at: AwareDatetime
    result: str
    words: str
    numbers: dict[str, Any]
    version: str | None


class Registry(BaseModel):
    """Every model, those that speak first, and what the last trainings came to."""

    models: list[ShownModel]
    trainings: list[ShownLast]


class WholeModel(ShownModel):
    """A model with what it was learned from (`profile`: how many leads fell into each cell of each feature), the decisions
    about it, and whether this release can use it: `usable`, or else why not."""

    profile: dict[str, Any]
    usable: bool
    why_not: str | None
    decisions: list[ShownDecision]


class Decision(BaseModel):
    """Who decides, and why."""

    by: Annotated[str, Field(min_length=1, max_length=200)] = "api"
    reason: Annotated[str, Field(min_length=1, max_length=1_000)] = "decided by hand"


class PlaceDecision(Decision):
    """For which outcome of which unit; an empty one stands for every unit that has none of its own."""

    outcome: Literal["opportunity", "customer"] = "opportunity"
    business_unit: Annotated[str, Field(max_length=200)] = ""


@router.get("/models", summary="Every model, and which of them speak")
async def read_models(database: Stored) -> Registry:
    """The registry."""

    async def read(tx: Transaction) -> Registry:
        return Registry(
            models=[ShownModel.model_validate(dict(row._mapping)) for row in await storage.models(tx)],
            trainings=[ShownLast.model_validate(dict(row._mapping)) for row in await storage.trainings(tx)],
        )

    return await database.run(read)


@router.get("/models/{version}", summary="One model: how good it is, and on what it was learned")
async def read_model(version: str, database: Stored) -> WholeModel:
    """One model with everything about it."""
    return await database.run(lambda tx: _whole(tx, version))


@router.post("/models/{version}/activate", summary="Let a model speak")
async def activate(version: str, decision: Decision, database: Stored) -> WholeModel:
    """From now on this one speaks where it was learned for. One that this release cannot use is refused."""

    async def work(tx: Transaction) -> WholeModel:
        found = await _whole(tx, version)
        _refuse_unusable(found)
        await storage.let_speak(tx, version, found.outcome, found.business_unit, by=decision.by, reason=decision.reason)
        return await _whole(tx, version)

    return await database.run(work)


@router.post("/models/rollback", summary="Let the model before speak again")
async def roll_back(decision: PlaceDecision, database: Stored) -> ShownDecision:
    """The model that spoke before speaks again; where there was none, rules alone do. Until somebody activates one here,
    no training does."""

    async def work(tx: Transaction) -> ShownDecision:
        now = await storage.speaks(tx, decision.outcome, decision.business_unit)
        if now is None:
            raise _nothing_speaks(decision)
        before = spoke_before(await storage.decisions(tx, decision.outcome, decision.business_unit))
        if before is not None:
            _refuse_unusable(await _whole(tx, before))
        return await _decided(tx, before, decision, "rolled_back")

    return await database.run(work)


@router.post("/models/silence", summary="Let no model speak here")
async def silence(decision: PlaceDecision, database: Stored) -> ShownDecision:
    """No model speaks here any more: for a unit that of every unit does again, for every unit rules alone. Until somebody
    activates one here, no training does."""

    async def work(tx: Transaction) -> ShownDecision:
        if await storage.speaks(tx, decision.outcome, decision.business_unit) is None:
            raise _nothing_speaks(decision)
        return await _decided(tx, None, decision, "activated")

    return await database.run(work)


async def _decided(tx: Transaction, version: str | None, decision: PlaceDecision, kind: DecisionKind) -> ShownDecision:
    place = decision.outcome, decision.business_unit
    await storage.let_speak(tx, version, *place, by=decision.by, reason=decision.reason, kind=kind)
    [last] = await storage.activations(tx, limit=1)
    return ShownDecision.model_validate(dict(last._mapping))


async def _whole(tx: Transaction, version: str) -> WholeModel:
    row = await storage.model(tx, version)
    if row is None:
        raise not_there("model", repr(version[:100]))
    why_not = None
    try:
        read_kept(row.artefact, row.checksum, row.outcome, row.horizon_days)
    except UnusableArtefact as error:
        why_not = str(error)
    decisions = [dict(one._mapping) for one in await storage.activations(tx, version)]
    return WholeModel.model_validate(
        {**row._mapping, "usable": why_not is None, "why_not": why_not, "decisions": decisions}
    )


def _refuse_unusable(found: WholeModel) -> None:
    if not found.usable:
        raise Rejected(
            f"Model {found.version} cannot be used: {found.why_not}.",
            status=409,
            code="model-unusable",
            fix="Train a new one: leadflow scoring train.",
        )


def _nothing_speaks(decision: PlaceDecision) -> Rejected:
    where = f"for {decision.business_unit}" if decision.business_unit else "for all units"
    return Rejected(
        f"No model of its own speaks {where} about {decision.outcome}.",
        status=409,
        code="no-active-model",
        fix="See what speaks: GET /v1/models.",
    )
