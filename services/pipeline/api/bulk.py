"""One command for many leads over HTTP: begun, looked at, cancelled, gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from services.pipeline.api.cursors import after_of, cursor_of
from services.pipeline.api.guard import MANAGE, Reaching, access_of, allowed
from services.pipeline.api.parts import Circumstances, Label, Unversioned, parts_of
from services.pipeline.asking import rejected
from services.pipeline.bulk import Wanted
from services.pipeline.domain.access import Reach
from services.pipeline.domain.bulk import ENDED, MOST_ITEMS, Doing, Outcome, Status
from services.pipeline.domain.id_lists import ids_of
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import Status as LeadStatus
from services.pipeline.storage import bulk as storage
from shared.contracts.envelope import Moment
from shared.contracts.marks import Mark
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1/bulk", tags=["bulk"])


class Filter(BaseModel):
    """Everybody of whom all of this is so when the job is begun."""

    model_config = ConfigDict(extra="forbid")

    status: LeadStatus | None = None
    owner: Label | None = None
    team: Label | None = None
    grade: Label | None = None
    mark: Mark | None = None
    channel: Label | None = None
    product: Label | None = None
    created_from: Moment | None = None
    created_before: Moment | None = None


class Begin(BaseModel):
    """What is done to whom: to a list of lead ids, to a list of ids of another system, or to everybody of a filter."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {"doing": "assign", "said": {"owner": "kim"}, "filter": {"owner": "lee"}},
                {"doing": "archive", "said": {"reason": "no budget"}, "external_ids": ["17", "18"], "sender": "crm"},
            ]
        },
    )

    doing: Doing
    said: dict[Label, Label] = Field(default_factory=dict)
    business_unit: Label | None = None
    lead_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_ITEMS)] | None = None
    external_ids: Annotated[list[Label], Field(min_length=1, max_length=MOST_ITEMS)] | None = None
    sender: Label = "import"
    filter: Filter | None = None

    def wanted(self) -> Wanted:
        """The job. Raises `Rejected` where nobody is meant, or in two ways."""
        if sum(one is not None for one in (self.lead_ids, self.external_ids, self.filter)) != 1:
            raise Rejected(
                "One of lead_ids, external_ids and filter says who is meant.",
                code="who-is-meant",
                fix="Send one of them; an empty filter means everybody.",
            )
        filters = self.filter.model_dump(exclude_none=True) if self.filter is not None else None
        return Wanted(self.doing, self.said, self.lead_ids, self.external_ids, self.sender, self.business_unit, filters)


@router.post("", summary="Do one thing to many leads", status_code=202)
@allowed(MANAGE)
async def begin(request: Request, said: Begin, circumstances: Unversioned, reach: Reaching) -> Response:
    """Answers at once with a job, whose progress and items are read by its id. Under an `Idempotency-Key` it is begun once."""
    return await _begin(request, said, circumstances, reach)


@router.post(":upload", summary="Do one thing to the leads of a file", status_code=202)
@allowed(MANAGE)
async def upload(
    request: Request,
    circumstances: Unversioned,
    reach: Reaching,
    doing: Annotated[Doing, Form()],
    file: Annotated[UploadFile, File(description="CSV with a column lead_id or external_id, or a lead id a line.")],
    said: Annotated[str, Form(max_length=10_000, description="A JSON object: what it says.")] = "{}",
    business_unit: Annotated[Label | None, Form()] = None,
    sender: Annotated[Label, Form(description="The system that external ids are from.")] = "import",
) -> Response:
    """As multipart/form-data; otherwise the same. Of the file nothing is kept but whom it means."""
    column, ids, lines = await asyncio.to_thread(ids_of, await file.read())
    try:
        known = {"doing": doing, "said": orjson.loads(said), "business_unit": business_unit, "sender": sender}
        wanted = Begin.model_validate({**known, column: ids})
    except orjson.JSONDecodeError:
        raise Rejected("said is no JSON.", field="said", fix='Write it as {"owner": "kim"}.') from None
    except ValidationError as error:
        raise _wrong_file(error, lines) from None
    return await _begin(request, wanted, circumstances, reach)


def _wrong_file(error: ValidationError, lines: Sequence[int]) -> Rejected:
    """What is wrong first, by its line in the file where it is an id: no id is repeated, as a file may hold anything."""
    first = error.errors(include_input=False, include_url=False)[0]
    field, *more = (str(part) for part in first["loc"])
    place = f" in line {lines[int(more[0])]}" if more and more[0].isdecimal() else ""
    fix = "Send the ids that Leadflow gave, or call the column external_id." if field == "lead_ids" else "Send another."
    return Rejected(f"{field}{place}: {first['msg']}.", field=field, fix=fix)


async def _begin(request: Request, said: Begin, circumstances: Circumstances, reach: Reach) -> Response:
    try:
        job, repeated = await parts_of(request).bulk.begin(
            said.wanted(),
            reach.within(said.business_unit),
            reach.one(said.business_unit) if said.external_ids is not None else "",
            actor=circumstances.actor,
            credentials=access_of(request).caller.name,
            namespace=circumstances.namespace,
            key=circumstances.idempotency_key,
        )
    except Refused as refused:
        raise rejected(refused) from None
    path = f"/v1/bulk/{job.job_id}"
    return JSONAnswer({**shown(job), "repeated": repeated}, status_code=202, headers={"Location": path})


@router.get("", summary="Jobs, newest first")
@allowed(MANAGE)
async def listing(
    request: Request,
    reach: Reaching,
    status: Status | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Those that stay within the units of whoever asks. One page; `next_cursor` leads to the next."""
    database = parts_of(request).database
    rows = await storage.jobs(database, reach.all, status=status, after=after_of(cursor), limit=limit)
    following = cursor_of(rows[-1].created_at, rows[-1].job_id) if len(rows) == limit else None
    return JSONAnswer({"items": [shown(row) for row in rows], "next_cursor": following})


@router.get("/{job_id}", summary="A job and how far it has come")
@allowed(MANAGE)
async def one(request: Request, job_id: UUID, reach: Reaching) -> Response:
    """As it is now."""
    return JSONAnswer(shown(await _found(request, job_id, reach)))


@router.get("/{job_id}/items", summary="What became of each lead of a job, in order")
@allowed(MANAGE)
async def items(
    request: Request,
    job_id: UUID,
    reach: Reaching,
    outcome: Annotated[Outcome | Literal["left"] | None, Query(description="Only those.")] = None,
    after: Annotated[int, Query(ge=0, description="The place of the last item of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """`place` is that in the list that was sent. One page; `next_after` leads to the next."""
    await _found(request, job_id, reach)
    rows = await storage.items(parts_of(request).database, job_id, outcome=outcome, after=after, limit=limit)
    following = rows[-1].place if len(rows) == limit else None
    return JSONAnswer({"items": [dict(row._mapping) for row in rows], "next_after": following})


@router.post("/{job_id}:cancel", summary="End a job")
@allowed(MANAGE)
async def cancel(request: Request, job_id: UUID, reach: Reaching) -> Response:
    """What it has done stays done; a few leads that are in hand may follow."""
    return await _change(request, job_id, reach, "cancelled", ("waiting", "running"))


@router.post("/{job_id}:resume", summary="Go on with a job that was cancelled")
@allowed(MANAGE)
async def resume(request: Request, job_id: UUID, reach: Reaching) -> Response:
    """From where it had come."""
    return await _change(request, job_id, reach, "waiting", ("cancelled",))


async def _change(
    request: Request, job_id: UUID, reach: Reach, status: Status, instead_of: tuple[Status, ...]
) -> Response:
    await _found(request, job_id, reach)
    vouched_by = access_of(request).caller.name
    job = await parts_of(request).database.run(lambda tx: storage.change(tx, job_id, status, instead_of, vouched_by))
    if job is None:
        raise _unknown()
    if job.status != status and not (status == "waiting" and job.status == "running"):
        raise Rejected(
            f"This job is {job.status}.",
            status=409,
            code="wrong-state",
            fix=f"Only one that is {' or '.join(instead_of)} can be changed so.",
            extra={"current": shown(job)},
        )
    return JSONAnswer(shown(job))


async def _found(request: Request, job_id: UUID, reach: Reach) -> Any:
    job = await storage.one(parts_of(request).database, job_id)
    units = reach.all
    if job is None or not (units is None or (job.units is not None and units.issuperset(job.units))):
        raise _unknown()
    return job


def _unknown() -> Rejected:
    return Rejected(
        "There is no bulk job of this id.",
        status=404,
        code="unknown-job",
        fix="Take the job_id that beginning it answered.",
    )


def shown(job: Any) -> dict[str, Any]:
    """A job as the API shows it."""
    names = ("job_id", "doing", "said", "actor", "status", "created_at", "started_at", "ended_at", "stopped")
    left = job.items - job.done - job.refused
    return {
        **{name: getattr(job, name) for name in names},
        "business_units": job.units,
        "items": {"total": job.items, "done": job.done, "refused": job.refused, "left": left},
        "is_ended": job.status in ENDED,
    }
