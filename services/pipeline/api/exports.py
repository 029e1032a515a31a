"""Export over HTTP: everything that the caller's units have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

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
    return Paced(_all(first, stream), media_type=MEDIA[format])


class Paced(StreamingResponse):
    """An answer whose reader has so long for each page and for all of it: while it is read, others cannot export, and the database
    cannot clean up. One that is cut off has no end, so that nobody takes it for whole."""

    page_seconds = 60.0
    whole_seconds = 3600.0

    async def stream_response(self, send: Send) -> None:
        """Sends page after page, and ends what feeds it, however it ends itself."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with asyncio.timeout(self.whole_seconds), aclosing(cast(AsyncGenerator[bytes], self.body_iterator)):
                async for part in self.body_iterator:
                    async with asyncio.timeout(self.page_seconds):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            log().warning("export_cut_off", reason="its reader is too slow")
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _all(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for part in rest:
            yield part
