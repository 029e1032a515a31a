"""Why a number is what it is: HTTP in, HTTP out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Depends, Request

from services.metrics.asking import ask, only_unit
from services.metrics.domain.answers import TOTAL
from services.metrics.domain.explaining import Asked, Change, largest_first
from services.metrics.domain.forms import Accuracy, Weighted
from services.metrics.domain.knowledge import Learned
from services.metrics.domain.questions import UNIT, Question
from services.metrics.explaining import Explaining
from services.metrics.reporting.periods import window_named
from services.metrics.reporting.writing import where
from services.metrics.storage import answering
from services.metrics.storage.explaining import MOST_PEOPLE, TooMuch
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, SYSTEMS
from shared.kit.auth import require_token
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

OWN = ("before_from", "before_to", "known", "reported")
"""What is told of the other side, beside what every KPI is asked with."""
NAMED = {"before_period": ("before_from", "before_to"), "period": ("from", "to")}
"""Windows by name, and what their days are called."""

SHOWN_OF_TOTAL = (
    "value",
    "numerator",
    "denominator",
    "n",
    "mean",
    "maturity",
    "horizon_days",
    "currency",
    "by_currency",
)

Given = Sequence[tuple[str, str]]


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(require_token)])
    explaining = Explaining(database, policy)

    @routes.get("/kpis/{kpi}/why", tags=["kpis"], summary="What moved a KPI, in parts that add up to the change")
    async def why(kpi: str, request: Request) -> JSONAnswer:
        """Between the window `from` and `to` and the one before it (`compare`, or `before_from` and `before_to`), or two that are
        named as `period` and `before_period` (2026-03, 1404-12, last-week), by the groups of `group_by`; or, with `known`, between what was known of one window at that moment and at a later one."""
        now = clock.now()
        given = days_named(request.query_params.multi_items(), policy, now)
        own = {name: [value for one, value in given if one == name] for name in OWN}
        question, compared = ask(kpi, [one for one in given if one[0] not in OWN], policy, now)
        if cuts := [cut for cut in question.group_by if cut in PERIODS]:
            raise Rejected(
                "Two windows have no periods in common.", code="unknown-cut", field="group_by",
                fix=f"Leave out {cuts[0]}.",
            )  # fmt: skip
        if question.of is not None:
            raise Rejected(
                "How a target stands moves with the number that it is of.", code="unknown-kpi", field="kpi",
                fix=f"Ask why {question.of.id} moved.",
            )  # fmt: skip
        if isinstance(question.definition.form, Weighted | Accuracy):
            raise Rejected(
                "What is expected of deals is no count of what happened.", code="unknown-kpi", field="kpi",
                fix="Ask why opportunities_open or sales_volume moved.",
            )  # fmt: skip
        zone = policy.unit(only_unit(question.filters.get(UNIT, ())) or "").zone
        progress = await answering.progress(database)
        definition = question.definition
        beside: dict[str, Any]
        if own["known"]:
            first, last = _moments(kpi, own["known"], policy, now)
            try:
                learned, changes = await explaining.between_moments(
                    question, first, last, zone, _reported(own["reported"])
                )
            except TooMuch:
                raise Rejected(
                    f"Something was learned about more than {MOST_PEOPLE:,} people between these moments.",
                    code="too-much-learned", field="known", fix="Name moments that are nearer, or a shorter window.",
                ) from None  # fmt: skip
            beside = {
                "reading": "knowledge",
                "before": {"known": first},
                "after": {"known": last},
                "learned": _learned(learned),
            }
        else:
            before, after = _windows(kpi, given, own, question, compared, policy, now)
            old, new, changes = await explaining.between_windows(before, after)
            beside = {"reading": "windows", "before": _side(before, old), "after": _side(after, new)}
        return JSONAnswer(
            {
                "kpi": definition.id,
                "version": definition.version,
                "unit": definition.unit,
                "basis": definition.basis,
                "from": question.start,
                "to": question.end,
                "group_by": question.group_by,
                "folded_to": progress.folded_to,
                **beside,
                "changes": [shown(change, question.group_by) for change in changes],
            }
        )

    return routes


def days_named(given: Given, policy: Policy, now: datetime) -> Given:
    """What is asked, with `period` and `before_period` as the days that they are by the calendar and the clock of its units."""
    units = [value for name, value in given if name == UNIT]
    asked_system = [value for name, value in given if name == "calendar"]
    calendar, zone = where(policy, units, next((one for one in SYSTEMS if one in asked_system), None))
    found = [one for one in given if one[0] not in NAMED]
    for name, value in given:
        if name not in NAMED:
            continue
        first, last = NAMED[name]
        if any(one in (first, last) for one, _ in found):
            raise Rejected(
                f"It is given twice, or {first} or {last} beside it.", code="invalid-parameter", field=name,
                fix="Give one of them.",
            )  # fmt: skip
        window = window_named(value, now.astimezone(zone).date(), calendar)
        if window.start is None and not any(one == "known" for one, _ in given):
            raise Rejected(
                "All time is compared with nothing.", code="invalid-parameter", field=name, fix="Name two periods."
            )
        found += [(bound, str(day)) for bound, day in ((first, window.start), (last, window.end)) if day is not None]
    return found


def _windows(
    kpi: str, given: Given, own: Mapping[str, list[str]], question: Question, compared: Question | None, policy: Policy,
    now: datetime,
) -> tuple[Question, Question]:  # fmt: skip
    """The two windows, or, of a state, the two moments at which they begin; without a window before, `from` and `to`."""
    if question.definition.basis == "snapshot":
        moments = [value for name in ("before_from", "from") for one, value in given if one == name and value]
        moments = (
            moments if own["before_from"] else [value for name in ("from", "to") for one, value in given if one == name]
        )
        if len(moments) != 2:
            raise Rejected(
                "A state changes from one moment to another.", code="invalid-parameter", field="from",
                fix="Give both moments as `from` and `to`.",
            )  # fmt: skip
        rest = [one for one in given if one[0] not in (*OWN, "from", "to", "as_of", "compare")]
        sides = [ask(kpi, [*rest, ("as_of", moment)], policy, now)[0] for moment in moments]
        return sides[0], sides[1]
    if compared is not None:
        return compared, question
    names = {"before_from": "from", "before_to": "to"}
    bounds = [(names[name], own[name][0]) for name in names if own[name]]
    if not bounds:
        raise Rejected(
            "It has to say with what the window is compared.", code="invalid-parameter", field="compare",
            fix="Use compare=previous or compare=last_year, or give before_from and before_to, or known.",
        )  # fmt: skip
    before = ask(kpi, bounds, policy, now)[0]
    return replace(question, start=before.start, end=before.end), question


def _moments(kpi: str, known: Sequence[str], policy: Policy, now: datetime) -> tuple[datetime, datetime]:
    if len(known) > 2:
        raise Rejected(
            "It is given too often.", code="invalid-parameter", field="known", fix="Give one moment, or two."
        )
    first, *last = (ask(kpi, [("as_of", one)], policy, now)[0].as_of for one in known)
    found = first, last[0] if last else now
    if found[0] > found[1]:
        raise Rejected(
            "It ends before it begins.", code="invalid-parameter", field="known", fix="Give the earlier moment first."
        )
    return found


def _reported(given: Sequence[str]) -> float | None:
    try:
        reported = float(given[0]) if given and given[0] else None
        if reported is not None and not math.isfinite(reported):
            raise ValueError("no amount")
        return reported
    except ValueError:
        raise Rejected(
            "It is no number.", code="invalid-parameter", field="reported", fix="Write it as 0.31."
        ) from None


def _side(question: Question, asked: Asked) -> dict[str, Any]:
    total = asked.answer[TOTAL]
    return {
        "from": question.start,
        "to": question.end,
        "as_of": question.as_of,
        "total": {name: total[name] for name in SHOWN_OF_TOTAL if name in total},
    }


def _learned(learned: Learned | None) -> list[dict[str, Any]]:
    if learned is None:
        return []
    return [
        {"cause": kind, "facts": learned.facts[kind], "people": learned.people[kind]} for kind in sorted(learned.facts)
    ]


def shown(change: Change, cuts: Sequence[str]) -> dict[str, Any]:
    """A change as it is told: numbers to read, and `exact` fractions, of which those of the parts add up to that of the change."""
    return {
        "of": change.of,
        "currency": change.currency,
        "before": _number(change.before),
        "after": _number(change.after),
        "change": _number(change.amount),
        "exact": None if change.amount is None else str(change.amount),
        "method": change.method,
        "note": change.note,
        "parts": [
            {
                "cause": part.cause,
                "key": None if part.group is None else dict(zip(cuts, part.group, strict=True)),
                "amount": float(part.amount),
                "exact": str(part.amount),
                "before": _number(part.before),
                "after": _number(part.after),
            }
            for part in largest_first(change.parts)
        ],
    }


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
