"""Reconciliation over HTTP. A sender sees its own, with a key of the scope `reconcile`; the operator's token sees all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.capture.answers import needs_database
from services.capture.api import Door, RawRoute
from services.capture.api.bodies import parse, read_body
from services.capture.api.reconciliation_schema import BODY_PROBLEMS, COMPARED, REPORT_PROBLEMS, SECURITY
from services.capture.domain.faults import Fault
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.reconciliation import quarter_of
from services.capture.domain.terms import Kind
from services.capture.reconciliation import Claim, Reconciliation, Scope
from services.capture.storage import Period
from shared.kit.auth import is_operator
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import JSONAnswer, problem_answer
from shared.kit.published import problem_responses

PATH = "/v1/reconciliation"
MAX_DAYS = 92
MAX_IDS = 100_000


class Counted(BaseModel):
    """A sender's own count: of a period, of ids, or of both."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str | None = Field(None, description="For the operator; a key counts for its own sender.")
    business_unit: str = "default"
    kind: Kind = "lead"
    start: AwareDatetime | None = Field(None, alias="from", description="A full quarter of an hour.")
    end: AwareDatetime | None = Field(None, alias="to", description="Not counted any more.")
    expected: int | None = Field(None, ge=0, description="How many; if absent, as many as there are ids.")
    record_ids: list[str | int] = Field(
        default_factory=list,
        max_length=MAX_IDS,
        description="Your ids: `record_id`, or the Idempotency-Key of a request; for items of a batch send `event_ids`.",
    )
    event_ids: list[UUID] = Field(default_factory=list, max_length=MAX_IDS, description="The ids you were answered.")


def reconciliation_router(door: Door, reconciliation: Reconciliation | None) -> APIRouter:
    """Both operations; without a database they say that there is nothing to tell."""
    router = APIRouter(tags=["reconciliation"])
    desk = _Desk(door, reconciliation)

    @router.get(
        PATH,
        summary="What became of what was sent, by hour",
        responses=problem_responses(REPORT_PROBLEMS),
        openapi_extra={"security": SECURITY},
    )
    async def report(
        request: Request,
        start: Annotated[datetime, Query(alias="from", description="A full quarter of an hour.")],
        end: Annotated[datetime, Query(alias="to", description="Not counted any more.")],
        sender: Annotated[str | None, Query(description="For the operator; a key sees its own sender.")] = None,
        business_unit: Annotated[str | None, Query(description="Counts of the log only.")] = None,
        kind: Literal["lead", "interaction"] | None = None,
        time_zone: Annotated[str, Query(description="Whose hours; counts are exact in any.")] = "UTC",
    ) -> JSONAnswer:
        whose = desk.sender(request, sender)
        if time_zone not in available_timezones():
            raise Rejected(
                "time_zone is no IANA time zone.",
                field="time_zone",
                fix="Send one such as Asia/Tehran, or leave it out.",
            )
        scope = Scope(whose, business_unit, kind)
        return JSONAnswer(await desk.open().report(_period(start, end), scope, time_zone))

    raw = APIRouter(tags=["reconciliation"], route_class=RawRoute)
    raw.add_api_route(
        PATH,
        desk.compare,
        methods=["POST"],
        response_class=Response,
        response_model=None,
        summary="Compare your own count: `expected 1,240, accepted 1,238: these two ids are missing`",
        operation_id="capture_reconcile",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": Counted.model_json_schema()}}},
            "responses": {
                "200": {"description": "How the two compare.", "content": {"application/json": {"schema": COMPARED}}},
                **problem_responses({**REPORT_PROBLEMS, **BODY_PROBLEMS}),
            },
            "security": SECURITY,
        },
    )
    router.include_router(raw)
    return router


class _Desk:
    """Who asks, and what about."""

    def __init__(self, door: Door, reconciliation: Reconciliation | None) -> None:
        self._door = door
        self._reconciliation = reconciliation

    def open(self) -> Reconciliation:
        """Raises `Rejected` where nothing is kept."""
        if self._reconciliation is None:
            raise needs_database("counts")
        return self._reconciliation

    def sender(self, request: Request, asked: str | None) -> str | None:
        """Whose counts may be seen; None for everybody's. Raises `Rejected`: 401, 403."""
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        if is_operator(request):
            return asked
        keys = self._door.keys
        key = keys.owner(headers)
        keys.allow(key, "reconcile", "to see what became of what was sent")
        own = keys.sender(key, headers)
        if asked not in (None, own):
            raise Rejected(
                "A key sees the counts of its own sender.",
                status=403,
                code="forbidden",
                field="sender",
                fix="Leave sender out, or send Leadflow-Sender with a key that has the scope impersonate.",
            )
        return own

    async def compare(self, request: Request) -> Response:
        """Reads a count, within the limits of a batch, and compares it."""
        try:
            with self._door.inflight.one() as claim:
                headers: dict[bytes, bytes] = dict(request.scope["headers"])
                self.sender(request, None)
                body = await read_body(
                    request,
                    headers,
                    claim,
                    limit=self._door.settings.max_batch_bytes,
                    timeout_seconds=self._door.settings.body_timeout_seconds,
                )
                counted = _counted(parse(body))
                sender = self.sender(request, counted.sender)
                if sender is None:
                    raise Rejected("sender is missing.", field="sender", fix="Say whose count this is.")
                return JSONAnswer(await self.open().compare(_claim(counted, sender)))
        except (Rejected, Retryable) as error:
            return problem_answer(error)


def _counted(document: object) -> Counted:
    try:
        return Counted.model_validate(document)
    except ValidationError as error:
        faults = [
            {"field": ".".join(map(str, fault["loc"])) or "body", "fault": fault["msg"]}
            for fault in error.errors(include_input=False, include_url=False)[:20]
        ]
        raise Rejected(
            f"{faults[0]['field']}: {faults[0]['fault']}",
            code="invalid-fields",
            field=faults[0]["field"],
            fix="Send a count as the API describes it at /docs.",
            extra={"errors": faults},
        ) from None


def _claim(counted: Counted, sender: str) -> Claim:
    """Raises `Rejected` for a count that says nothing that could be compared."""
    period = None
    if counted.start is not None and counted.end is not None:
        period = _period(counted.start, counted.end)
    elif counted.start is not None or counted.end is not None:
        raise Rejected("from and to go together.", field="from", fix="Send both, or neither.")
    named = bool(counted.record_ids or counted.event_ids)
    if not named and (period is None or counted.expected is None):
        raise Rejected(
            "There is nothing to compare.",
            field="expected",
            fix="Send from, to and expected; or record_ids; or event_ids.",
        )
    record_ids = list(dict.fromkeys(_cleaned("record_id", one) for one in counted.record_ids))
    unit = _cleaned("business_unit", counted.business_unit)
    return Claim(
        sender, unit, counted.kind, period, counted.expected, record_ids, [str(one) for one in set(counted.event_ids)]
    )


def _cleaned(field: str, value: object) -> str:
    """A text as intake cleans it, so that it names the same event."""
    faults: list[Fault] = []
    text = LEAD_TEXTS[field].read(value, faults)
    if text is None:
        fault = faults[0].fault if faults else "is empty"
        raise Rejected(f"{field} {fault}.", code="invalid-fields", field=field, fix="Send what you sent with the lead.")
    return text


def _period(start: datetime, end: datetime) -> Period:
    """Raises `Rejected` for what is no period of full quarters."""
    for name, at in (("from", start), ("to", end)):
        if at.tzinfo is None:
            raise Rejected(f"{name} has no offset.", field=name, fix="Send it as 2026-03-01T00:00:00+03:30, or with Z.")
        if quarter_of(at) != at:
            raise Rejected(
                f"{name} is no full quarter of an hour.",
                field=name,
                fix="Send :00, :15, :30 or :45; counts are kept so.",
            )
    if not timedelta(0) < end - start <= timedelta(days=MAX_DAYS):
        raise Rejected(f"The period is empty, or longer than {MAX_DAYS} days.", field="to", fix="Send a later `to`.")
    return Period(start, end)
