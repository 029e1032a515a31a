"""Export over HTTP: everything that the caller's units have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from services.pipeline.api.guard import FOLLOW, Reaching, access_of, allowed
from services.pipeline.api.parts import Label, parts_of
from shared.kit.logs import log

router = APIRouter(prefix="/v1", tags=["export"])

MEDIA = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@router.get("/export", summary="Everything that there is of a kind, with consents and scores, streamed")
@allowed(FOLLOW)
async def export(
    request: Request,
    reach: Reaching,
    what: Literal["leads", "opportunities", "orders", "tasks", "history"] = "leads",
    format: Literal["csv", "ndjson"] = "ndjson",  # noqa: A002
    business_unit: Label | None = None,
    after: Annotated[
        list[Label] | None, Query(max_length=2, description="The key of the last row that is there already.")
    ] = None,
) -> Response:
    """As it is when the answer begins, in order of its key. An answer that was cut short is gone on with by `after`; what is
    streamed then is of its own moment. Who exports, and what, stands in this service's log."""
    stream = parts_of(request).exporting.stream(what, format, reach.within(business_unit), after)
    first = await anext(stream, b"")
    log().info("exported", what=what, credentials=access_of(request).caller.name, business_unit=business_unit or "all")
    return StreamingResponse(_all(first, stream), media_type=MEDIA[format])


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
