"""The leads behind a number, over HTTP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request

from services.metrics.access import guard
from services.metrics.asking import ask
from services.metrics.domain.answers import Group
from services.metrics.domain.drilling import Behind, Counted, behind
from services.metrics.domain.forms import Coverage
from services.metrics.domain.questions import VERSION, Question
from services.metrics.moments import is_in_time
from services.metrics.storage import answering
from services.metrics.storage.attaining import Attaining
from services.metrics.storage.drilling import counted_behind
from services.metrics.storage.drilling_targets import Part, behind_targets
from shared.contracts.policy import Policy
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

OWN = ("group", "cursor", "limit")


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The route, over one database and one policy."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(guard)])

    @routes.get("/kpis/{kpi}/leads", tags=["kpis"], summary="The leads and opportunities that a number is made of")
    async def leads(
        kpi: str,
        request: Request,
        group: list[str] | None = Query(
            default=None, description="A group's value for each name in group_by, in order."
        ),
        cursor: str | None = Query(default=None, description="next_cursor of the page before."),
        limit: int = Query(default=100, ge=1, le=1000, description="How many leads a page has."),
    ) -> JSONAnswer:
        parameters = [(name, value) for name, value in request.query_params.multi_items() if name not in OWN]
        question, before = ask(kpi, parameters, policy, clock.now())
        if before is not None:
            raise Rejected(
                "Leads are shown of one window.", code="invalid-parameter", field="compare",
                fix="Leave compare out, and ask for the other window by its from and to.",
            )  # fmt: skip
        if VERSION in question.group_by:
            raise Rejected(
                "Leads are not shown by version of the policy.", code="unknown-cut", field="group_by",
                fix="Leave group_by out, or cut by something else.",
            )  # fmt: skip
        after = None
        if cursor is not None:
            question, after = _goes_on(question, cursor, asked="as_of" in request.query_params)
        progress = await answering.progress(database)
        definition, own = question.definition, _group(question, group)
        if question.of is None:
            page = await counted_behind(database, policy, question, group=own, after=after, limit=limit)
            parts, last = [Part(question, page.counted)], page.last
        else:
            attaining = Attaining(database, policy, progress)
            definition = definition if isinstance(definition.form, Coverage) else question.of
            parts, last = await behind_targets(
                database, policy, attaining, question, group=own, after=after, limit=limit
            )
        lines = [line for part in parts for line in behind(part.question, part.counted)]
        return JSONAnswer(
            {
                "kpi": definition.id,
                "version": definition.version,
                "unit": definition.unit,
                "basis": definition.basis,
                "from": question.start,
                "to": question.end,
                "as_of": question.as_of,
                "folded_to": progress.folded_to,
                "leads": [_shown(question, one) for one in sorted(lines, key=lambda line: line.lead_id)],
                "next_cursor": None if last is None else _cursor(question.as_of, last),
            }
        )

    return routes


def _shown(question: Question, one: Behind) -> dict[str, Any]:
    deal = next((each.opportunity_id for each in one.counted if each.opportunity_id is not None), None)
    currency = next((each.currency for each in one.counted if each.currency is not None), None)
    return {
        "lead_id": one.lead_id,
        **({"opportunity_id": deal} if deal is not None else {}),
        **({"key": dict(zip(question.group_by, one.group, strict=True))} if question.group_by else {}),
        **{name: float(value) for name, value in one.weight._asdict().items()},
        **({"currency": currency} if currency is not None else {}),
        "counted": [_entry(each) for each in one.counted],
    }


def _entry(one: Counted) -> dict[str, Any]:
    more = {
        "cohort_at": one.cohort_at if one.cohort_at != one.at else None,
        "stage": one.stage,
        "reason": one.reason,
        "seconds": one.duration_seconds,
        "negative": True if one.negative else None,
        "amount": None if one.amount is None else float(one.amount),
        "currency": one.currency,
        "share": None if one.share == 1 else float(one.share),
        "chance": one.chance,
    }
    known = {name: value for name, value in more.items() if value is not None}
    return {"measure": one.measure.told, "at": one.at, **known}


def _group(question: Question, given: Sequence[str] | None) -> Group | None:
    if given is None:
        return None
    if len(given) != len(question.group_by):
        raise Rejected(
            "A group has one value for each name in group_by.", code="invalid-parameter", field="group",
            fix=f"Give group {len(question.group_by)} times, in the order of group_by; empty for what is not known.",
        )  # fmt: skip
    return tuple(part or None for part in given)


def _cursor(as_of: datetime, last: UUID) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([as_of.isoformat(), str(last)])).decode()


def _goes_on(question: Question, cursor: str, *, asked: bool) -> tuple[Question, UUID]:
    """The question as of the moment of the first page, and the last lead of the page before."""
    try:
        as_of, last = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        at, after = datetime.fromisoformat(as_of), UUID(last)
        if not is_in_time(at):
            raise ValueError("no moment that a page was given at")
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise Rejected(
            "It is no place to go on from.", code="invalid-parameter", field="cursor",
            fix="Send the next_cursor of the page before.",
        ) from None  # fmt: skip
    return (question if asked else question.at_moment(at)), after
