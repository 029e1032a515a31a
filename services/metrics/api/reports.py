"""Reports over HTTP: which there are, what each tells, and each of them told."""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AwareDatetime

from services.metrics.access import Access, Reaching, guard
from services.metrics.formats import accepted
from services.metrics.moments import gone
from services.metrics.reporting.delivering import UNREADABLE, Delivering, as_saved
from services.metrics.reporting.periods import EXAMPLES
from services.metrics.reporting.standard import STANDARD
from services.metrics.reporting.writing import MEDIA_TYPES, Reports, Wish
from services.metrics.storage import reports as storage
from shared.contracts.envelope import EARLIEST, LATEST, Name
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import System
from shared.contracts.policy.reports import File, Language, Report, ReportName
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.header_texts import AsWritten
from shared.kit.problems import JSONAnswer

FIRST, LAST = EARLIEST.date(), LATEST.date()
PARAMETERS = ("period", "from", "to", "business_unit", "by", "lang", "calendar", "as_of", "format")

OWN = "own"

Owner = Annotated[
    str,
    AsWritten,
    Header(
        alias="Leadflow-Actor",
        max_length=200,
        description="Whose reports; nobody named: everybody's.",
        pattern=r"^[^\x00]*$",
    ),
]


def router(
    reports: Reports, delivering: Delivering, database: Database, policy: Policy, clock: Clock, *, public_url: str = ""
) -> APIRouter:
    """The routes. Links in reports lead to `public_url`, or to where the request came in."""
    routes = APIRouter(prefix="/v1/reports", tags=["reports"], dependencies=[Depends(guard)])

    async def known(owner: str, access: Access) -> dict[str, tuple[str, Report | None]]:
        """Every report that somebody has, by name, and where it comes from: their own before everybody's, but for those that are of
        other units than theirs. None is one that this version cannot read."""
        found: dict[str, tuple[str, Report | None]] = {name: ("standard", report) for name, report in STANDARD.items()}
        found |= {name: ("policy", report) for name, report in policy.reports.items()}
        for row in sorted(await storage.saved(database, owner), key=lambda row: row.owner != storage.EVERYBODY):
            origin = "saved" if row.owner == storage.EVERYBODY else OWN
            found[row.name] = (origin, as_saved(row.report))
        return {
            name: (origin, report) for name, (origin, report) in found.items() if _is_theirs(origin, report, access)
        }

    async def the(name: str, owner: str, access: Access) -> tuple[str, Report]:
        found = await known(owner, access)
        if name not in found:
            raise Rejected(
                "There is no report of this name.", status=404, code="unknown-report", field="name",
                fix="GET /v1/reports lists them.", extra={"reports": sorted(found)},
            )  # fmt: skip
        origin, report = found[name]
        if report is None:
            raise Rejected(
                UNREADABLE, status=409, code="unreadable-report", field="name",
                fix="Save it again as this version knows it, or delete it.",
            )  # fmt: skip
        return origin, report

    @routes.get("", summary="Which reports there are")
    async def listing(access: Reaching, owner: Owner = storage.EVERYBODY) -> JSONAnswer:
        """Those of other units than one has are left out, and where reports are sent is told to who may have them sent."""
        found = sorted((await known(owner, access)).items())
        return JSONAnswer({"items": [_shown(name, report, origin, access) for name, (origin, report) in found]})

    @routes.get("/deliveries", summary="What was sent, is to be sent, and did not arrive")
    async def deliveries(
        state: Literal["due", "sent", "failed", "dropped"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> JSONAnswer:
        rows = await storage.listing(database, state, limit)
        return JSONAnswer({"items": [row._asdict() for row in rows], "standing": await storage.standing(database)})

    @routes.post("/deliveries/{delivery_id}:retry", summary="Send one again that was given up")
    async def retry(delivery_id: UUID) -> JSONAnswer:
        row = await database.run(lambda tx: storage.retry(tx, delivery_id))
        if row is None:
            raise _no_such_delivery()
        return JSONAnswer(row._asdict())

    @routes.delete("/deliveries/{delivery_id}", summary="Have one not sent any more")
    async def drop(delivery_id: UUID, owner: Owner = storage.EVERYBODY) -> JSONAnswer:
        """Of one that is due or was given up; it stays listed as `dropped`, with who. What was sent stays sent."""
        row = await database.run(lambda tx: storage.drop(tx, delivery_id, owner))
        if row is None:
            raise _no_such_delivery()
        return JSONAnswer(row._asdict())

    @routes.get("/{name}", summary="What a report tells")
    async def definition(name: str, access: Reaching, owner: Owner = storage.EVERYBODY) -> JSONAnswer:
        origin, report = await the(name, owner, access)
        return JSONAnswer(_shown(name, report, origin, access))

    @routes.put("/{name}", summary="Save a report under a name")
    async def save(name: ReportName, report: Report, access: Reaching, owner: Owner = storage.EVERYBODY) -> JSONAnswer:
        """One's own, or everybody's where nobody is named. Saving the same again changes nothing. Whoever does not reach all units
        names those that it is of."""
        units = report.business_units or [None]
        access.check(units)
        if report.deliveries:
            access.check_delivering(units)
        faults = [
            *(["`deliveries` is no name for a report"] if name == "deliveries" else []),
            *delivering.faults(report),
            *(f"there is no unit {one!r}" for one in report.business_units if not policy.has(one)),
        ]
        if faults:
            raise Rejected(
                "; ".join(faults),
                code="invalid-report",
                fix="GET /v1/kpis lists numbers and cuts; docs/reports.md says more.",
            )
        await database.run(lambda tx: storage.save(tx, owner, name, report.model_dump(mode="json")))
        return JSONAnswer(_shown(name, report, OWN if owner else "saved", access))

    @routes.delete("/{name}", status_code=204, summary="Forget a report that was saved")
    async def forget(name: str, owner: Owner = storage.EVERYBODY) -> Response:
        """It is not sent any more. Those of the policy and the standard ones stay."""
        if not await database.run(lambda tx: storage.forget(tx, owner, name)):
            raise Rejected(
                "Nobody saved a report of this name.", status=404, code="unknown-report", field="name",
                fix="GET /v1/reports lists them.",
            )  # fmt: skip
        return Response(status_code=204)

    @routes.get(
        "/{name}/told",
        summary="A report, told: as data, as a page, on paper or for a spreadsheet",
        responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
    )
    async def told(
        name: str,
        request: Request,
        access: Reaching,
        period: Annotated[
            str | None,
            Query(
                max_length=30, description=f"Such as {EXAMPLES}; as the unit's calendar names it (2026/27-Q1, 1405-02)."
            ),
        ] = None,
        start: Annotated[date | None, Query(ge=FIRST, lt=LAST, alias="from", description="The first day.")] = None,
        end: Annotated[
            date | None, Query(ge=FIRST, lt=LAST, alias="to", description="The day after the last one.")
        ] = None,
        business_unit: Annotated[list[Name] | None, Query(description="Only these units.")] = None,
        by: Annotated[str | None, Query(max_length=30, description="Cut by this instead.")] = None,
        lang: Annotated[Language | None, Query(description="The report's own, when left out.")] = None,
        calendar: Annotated[System | None, Query(description="The units' own, when left out.")] = None,
        owner: Owner = storage.EVERYBODY,
        as_of: Annotated[
            AwareDatetime | None, Query(ge=EARLIEST, lt=LATEST, description="What had happened by then.")
        ] = None,
        format: Annotated[File | None, Query(description="Else what `Accept` says.")] = None,  # noqa: A002
    ) -> Response:
        """Without `period`, `from` and `to`: the last whole period of the report; of the overview, all time."""
        for given in request.query_params:
            if given not in PARAMETERS:
                raise Rejected(
                    "There is no parameter of this name.", code="unknown-parameter", field=given[:100],
                    fix=f"Use {', '.join(PARAMETERS)}.",
                )  # fmt: skip
        for unit in business_unit or ():
            if not policy.has(unit):
                raise Rejected(
                    "There is no unit of this name.", code="unknown-business-unit", field="business_unit",
                    fix=f"Use {', '.join(sorted({'default', *policy.business_units}))}.",
                )  # fmt: skip
        form: File = format if format is not None else accepted(request.headers.get("accept"), MEDIA_TYPES)
        then = gone("as_of", as_of.astimezone(UTC), clock.now()) if as_of is not None else None
        wish = Wish(period, start, end, tuple(business_unit or ()), by, lang, calendar, then)
        base = (public_url or str(request.base_url)).rstrip("/")
        _, report = await the(name, owner, access)
        found = await reports.tell(name, report, wish, clock.now(), lambda path: base + path)
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


def _no_such_delivery() -> Rejected:
    return Rejected(
        "There is no delivery of this id.", status=404, code="unknown-delivery", field="delivery_id",
        fix="GET /v1/reports/deliveries lists them.",
    )  # fmt: skip


def _is_theirs(origin: str, report: Report | None, access: Access) -> bool:
    """Whether somebody knows of a report: their own, one that names no units, and one that names one that they reach."""
    if origin == OWN or access.units is None:
        return True
    return report is not None and (not report.business_units or any(access.sees(one) for one in report.business_units))


def _shown(name: str, report: Report | None, origin: str, access: Access) -> dict[str, Any]:
    """A report as whoever asks may know it: an address that is posted to may be all that it takes to post there."""
    if report is None:
        return {"name": name, "origin": origin, "fault": UNREADABLE}
    told = {"name": name, "origin": origin, **report.model_dump(mode="json")}
    if origin == OWN:
        return told
    if not access.delivers(report.business_units or [None]):
        del told["deliveries"]
    return {
        **told,
        "business_units": [one for one in report.business_units if access.units is None or access.sees(one)],
    }
