"""Tasks over HTTP: what is due for whom, made, done, put off and called off."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.cursors import after_of, cursor_of
from services.pipeline.api.guard import READ, WORK, Reaching, allowed
from services.pipeline.api.parts import Label, Note, Said, With, parts_of
from services.pipeline.asking import no_such_task
from services.pipeline.commands import DecideTask
from services.pipeline.domain import tasks as rules
from services.pipeline.domain.due import Kind, Task
from services.pipeline.domain.versions import etag, version_in
from services.pipeline.storage import queries, tasks
from shared.contracts.envelope import Moment
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["tasks"])


class Add(Said):
    """Something to do until `due_at`, by the lead's owner where nobody is named. What it is about is a note."""

    due_at: Moment
    owner: Label | None = None
    channel: Label | None = None
    note: Note | None = None


class Complete(Said):
    """How it went. An outcome that ends the cadence ends it; one in words that the policy does not have is kept as a note is, and
    travels as `other`."""

    outcome: Label | None = None
    note: Note | None = None


class Snooze(Said):
    """When it begins anew."""

    until: Moment


class Cancel(Said):
    """Why it need not be done."""

    note: Note | None = None


@router.get("/tasks", summary="Tasks, soonest due first, by owner, lead, unit, state and kind")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    owner: Label | None = None,
    lead_id: UUID | None = None,
    business_unit: Label | None = None,
    status: Literal["open", "done", "cancelled"] = "open",
    kind: Kind | None = None,
    due_before: Moment | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """One page; `next_cursor` leads to the next."""
    found = await tasks.listing(
        parts_of(request).database,
        owner=owner,
        lead_id=lead_id,
        units=reach.within(business_unit),
        status=status,
        kind=kind,
        due_before=due_before,
        after=after_of(cursor),
        limit=limit,
    )
    following = cursor_of(found[-1]["due_at"], found[-1]["task_id"]) if len(found) == limit else None
    return JSONAnswer({"items": found, "next_cursor": following})


@router.get("/tasks/{task_id}", summary="One task")
@allowed(READ)
async def one(request: Request, task_id: UUID) -> Response:
    """As it is now, with its lead's version to decide on."""
    database = parts_of(request).database
    found = await tasks.one(database, task_id)
    if found is None:
        raise no_such_task()
    version = await queries.version_of(database, found.root_id)  # before what it is the version of
    document = tasks.document(await tasks.one(database, task_id) or found)
    return JSONAnswer(document, headers={"ETag": etag(version, document)})


@router.post("/leads/{lead_id}/tasks", summary="Add a task of your own to a lead", status_code=201)
@allowed(WORK)
async def add(request: Request, lead_id: UUID, said: Add, circumstances: With) -> Response:
    """Answers with the lead's open tasks."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked("/tasks", said),
        lambda state, _, act: rules.decide_add(
            state,
            act,
            Task(act.act_id, lead_id, "task", "task", said.due_at, act.occurred_at, said.owner, said.channel),
            note=said.note,
        ),
    )
    found = await tasks.listing(
        parts_of(request).database,
        owner=None,
        lead_id=lead_id,
        units=None,
        status="open",
        due_before=None,
        after=None,
        limit=500,
    )
    status = 200 if done.repeated else 201
    return JSONAnswer({"items": found}, status_code=status, headers={"ETag": etag(version_in(done.lead))})


@router.post("/tasks/{task_id}:complete", summary="The task is done")
@allowed(WORK)
async def complete(request: Request, task_id: UUID, circumstances: With, said: Complete | None = None) -> Response:
    """Of a cadence the next step is due from then on. A first response is done by reaching out, not by saying so."""
    word = said or Complete()
    return await _do(
        request, task_id, circumstances, ":complete", word,
        lambda task, following, act: rules.decide_complete(task, following, act, outcome=word.outcome, note=word.note),
    )  # fmt: skip


@router.post("/tasks/{task_id}:snooze", summary="Put the task off")
@allowed(WORK)
async def snooze(request: Request, task_id: UUID, said: Snooze, circumstances: With) -> Response:
    """It begins at `until` and is due as much later as it would have been."""
    return await _do(
        request, task_id, circumstances, ":snooze", said,
        lambda task, _, act: rules.decide_snooze(task, act, until=said.until),
    )  # fmt: skip


@router.post("/tasks/{task_id}:cancel", summary="The task need not be done")
@allowed(WORK)
async def cancel(request: Request, task_id: UUID, circumstances: With, said: Cancel | None = None) -> Response:
    """Of a cadence nothing follows."""
    word = said or Cancel()
    return await _do(
        request, task_id, circumstances, ":cancel", word,
        lambda task, _, act: rules.decide_cancel(task, act, note=word.note),
    )  # fmt: skip


async def _do(
    request: Request, task_id: UUID, circumstances: With, name: str, said: Said, decide: DecideTask
) -> Response:
    parts = parts_of(request)
    done = await parts.commands.on_task(task_id, circumstances.asked(f"/tasks{name}", said), decide)
    row = await tasks.one(parts.database, task_id)
    return JSONAnswer(tasks.document(row), headers={"ETag": etag(version_in(done.lead))})
