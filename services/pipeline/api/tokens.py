"""API tokens over HTTP, for operators: make, list, rotate, revoke; and what anybody's own credentials are good for."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.guard import OPERATE, READ, access_of, allowed
from services.pipeline.api.parts import Label, Unversioned, parts_of
from services.pipeline.domain.access import Role, Units
from services.pipeline.storage import named_commands
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["access"])

MAX_OVERLAP_SECONDS = 90 * 86_400.0


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"subject": "kim", "role": "agent", "business_units": ["europe"]}},
    )

    subject: Label = Field(description="Whose it is: a person as routing knows them, or a system.")
    role: Role
    business_units: Annotated[list[Label], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Where it holds; in all units where none are named."
    )
    is_person: bool = Field(
        True, description="A person is on record under the subject alone; a system may name who it acts for."
    )
    expires_at: AwareDatetime | None = None


class Rotation(BaseModel):
    """How one token takes over from another."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_seconds": 3600}})

    overlap_seconds: float = Field(86_400.0, ge=0, le=MAX_OVERLAP_SECONDS, description="How long both work.")
    expires_at: AwareDatetime | None = Field(None, description="Of the new one; else it lives as long as the old one.")


@router.get("/me", summary="Who you are here, and what you reach")
@allowed(READ, of_no_unit=True)
async def me(request: Request) -> Response:
    """What is allowed is decided by these; without units a role is held in all of them."""
    caller = access_of(request).caller
    grants = [{"role": grant.role, "business_units": _listed(grant.units)} for grant in caller.grants]
    return JSONAnswer({"subject": caller.subject, "is_person": caller.is_person, "grants": grants})


@router.post("/tokens", status_code=201, summary="Make a token; this answer is the only one that has it")
@allowed(OPERATE)
async def create(request: Request, new: NewToken, circumstances: Unversioned) -> Response:
    """It works within two seconds everywhere. Sent again under its Idempotency-Key it is refused (409) with the prefix of the token
    that was made: the token itself is nowhere to be told again."""
    units = None if new.business_units is None else sorted(set(new.business_units))
    rights = {"subject": new.subject, "is_person": new.is_person, "role": new.role, "units": units}

    async def once(transaction: Transaction, prefix: str) -> None:
        if circumstances.idempotency_key is None:
            return
        command_id = circumstances.id_of("pipeline-tokens")
        said = blake2b(new.model_dump_json().encode(), digest_size=16).hexdigest()
        await named_commands.hold(transaction, command_id)
        if before := await named_commands.before(transaction, command_id, said):
            raise Rejected(
                f"The token {before[1]} was made under this Idempotency-Key.",
                status=409,
                code="made-already",
                field="Idempotency-Key",
                fix="If nobody has it, rotate it by its prefix.",
                extra={"prefix": before[1]},
            )
        await named_commands.remember(transaction, command_id, said, command_id, prefix)

    made = await parts_of(request).tokens.create(rights, expires_at=new.expires_at, once=once)
    _tell(request, "token_made", made["prefix"], role=new.role, units=units)
    return JSONAnswer(_shown(made), status_code=201)


@router.get("/tokens", summary="Tokens by their prefixes, ended ones too, never the tokens themselves")
@allowed(OPERATE)
async def listing(
    request: Request,
    subject: str | None = None,
    after: Annotated[str, Query(description="The last prefix of the page before.", max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> Response:
    """One page; `next_after` leads to the next."""
    page = await parts_of(request).tokens.listing(whose=subject, after=after, limit=limit)
    return JSONAnswer({**page, "items": [_shown(one) for one in page["items"]]})


@router.post("/tokens/{prefix}:rotate", status_code=201, summary="Make a token that takes over; both work for a while")
@allowed(OPERATE)
async def rotate(request: Request, prefix: str, rotation: Rotation | None = None) -> Response:
    """With the same subject, role and units."""
    wanted = rotation or Rotation.model_validate({})
    overlap = timedelta(seconds=wanted.overlap_seconds)
    made = await parts_of(request).tokens.rotate(prefix, overlap, wanted.expires_at)
    _tell(request, "token_rotated", prefix, into=made["prefix"])
    return JSONAnswer(_shown(made), status_code=201)


@router.post("/tokens/{prefix}:revoke", summary="End a token: within two seconds it is refused everywhere")
@allowed(OPERATE)
async def revoke(request: Request, prefix: str) -> Response:
    """One that has ended stays as it is."""
    revoked = await parts_of(request).tokens.revoke(prefix)
    _tell(request, "token_revoked", prefix)
    return JSONAnswer(revoked)


def _tell(request: Request, what: str, prefix: str, **more: Any) -> None:
    """Leaves a trace in the log: prefixes and roles, no person."""
    log().info(what, token=prefix, by=access_of(request).caller.name, **more)


def _shown(token: dict[str, Any]) -> dict[str, Any]:
    """As the API calls it."""
    shown = {name: value for name, value in token.items() if name not in ("units", "origin")}
    return {**shown, "business_units": token["units"]}


def _listed(units: Units) -> list[str] | None:
    return None if units is None else sorted(units)
