"""Reports over HTTP: which there are, what each tells, and each of them told."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from services.metrics.formats import accepted
from services.metrics.reporting.periods import EXAMPLES
from services.metrics.reporting.standard import STANDARD
from services.metrics.reporting.writing import MEDIA_TYPES, Reports, Wish
from shared.contracts.envelope import Name
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import System
from shared.contracts.policy.reports import File, Language, Report
from shared.kit.auth import require_token
from shared.kit.clock import Clock
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

PARAMETERS = ("period", "from", "to", "business_unit", "by", "lang", "calendar", "as_of", "format")


def router(reports: Reports, policy: Policy, clock: Clock, *, public_url: str = "") -> APIRouter:
    """The routes. Links in reports lead to `public_url`, or to where the request came in."""
    routes = APIRouter(prefix="/v1/reports", tags=["reports"], dependencies=[Depends(require_token)])

    def known(name: str) -> Report:
        found = policy.reports.get(name) or STANDARD.get(name)
        if found is None:
            names = sorted({*STANDARD, *policy.reports})
            raise Rejected(
                "There is no report of this name.", status=404, code="unknown-report", field="name",
                fix="GET /v1/reports lists them.", extra={"reports": names},
            )  # fmt: skip
        return found

    @routes.get("", summary="Which reports there are")
    async def listing() -> JSONAnswer:
        there = {**dict.fromkeys(STANDARD, "standard"), **dict.fromkeys(policy.reports, "policy")}
        return JSONAnswer({"items": [_shown(name, known(name), origin) for name, origin in sorted(there.items())]})

    @routes.get("/{name}", summary="What a report tells")
    async def definition(name: str) -> JSONAnswer:
        report = known(name)
        return JSONAnswer(_shown(name, report, "policy" if name in policy.reports else "standard"))

    @routes.get(
        "/{name}/told",
        summary="A report, told: as data, as a page, on paper or for a spreadsheet",
        responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
    )
    async def told(
        name: str,
        request: Request,
        period: Annotated[str | None, Query(max_length=30, description=f"Such as {EXAMPLES}.")] = None,
        start: Annotated[date | None, Query(alias="from", description="The first day.")] = None,
        end: Annotated[date | None, Query(alias="to", description="The day after the last one.")] = None,
        business_unit: Annotated[list[Name] | None, Query(description="Only these units.")] = None,
        by: Annotated[str | None, Query(max_length=30, description="Cut by this instead.")] = None,
        lang: Annotated[Language | None, Query(description="The report's own, when left out.")] = None,
        calendar: Annotated[System | None, Query(description="The units' own, when left out.")] = None,
        as_of: Annotated[AwareDatetime | None, Query(description="What had happened by then.")] = None,
        format: Annotated[File | None, Query(description="Else what `Accept` says.")] = None,  # noqa: A002
    ) -> Response:
        """Without `period`, `from` and `to`: the last whole period of the report; of the overview, all time."""
        for given in request.query_params:
            if given not in PARAMETERS:
                raise Rejected(
                    "There is no parameter of this name.", code="unknown-parameter", field=given[:100],
                    fix=f"Use {', '.join(PARAMETERS)}.",
                )  # fmt: skip
        form: File = format if format is not None else accepted(request.headers.get("accept"), MEDIA_TYPES)
        wish = Wish(period, start, end, tuple(business_unit or ()), by, lang, calendar, as_of)
        base = (public_url or str(request.base_url)).rstrip("/")
        found = await reports.tell(name, known(name), wish, clock.now(), lambda path: base + path)
        return answer_of(await reports.written(found, form), form, name, found.document.period_key)

    return routes


def answer_of(content: bytes, form: File, name: str, period: str) -> Response:
    """A written report as an answer; a page shows itself, everything else is a file."""
    headers = {
        "Vary": "Accept",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:",
    }
    if form in ("pdf", "csv"):
        headers["Content-Disposition"] = f'inline; filename="{name}-{period}.{form}"'
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def _shown(name: str, report: Report, origin: str) -> dict[str, Any]:
    return {"name": name, "origin": origin, **report.model_dump(mode="json")}
