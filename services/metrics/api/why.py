"""Why a number is what it is: HTTP in, HTTP out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, tzinfo
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Depends, Request

from services.metrics.access import guard
from services.metrics.asking import ask, head
from services.metrics.domain import not_parted
from services.metrics.domain.answers import TOTAL
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.explaining import Asked, Change, largest_first
from services.metrics.domain.knowledge import Learned
from services.metrics.domain.not_parted import NotParted
from services.metrics.domain.questions import UNIT, VERSION, Question, is_known_by_version
from services.metrics.explaining import Explaining
from services.metrics.learning import MOST_GROUPS, Learning, TooManyGroups
from services.metrics.moments import is_in_time, midnight_utc
from services.metrics.qualifying import ByVersion, counted
from services.metrics.reporting.periods import window_named
from services.metrics.reporting.writing import where
from services.metrics.storage import answering
from services.metrics.storage.explaining import MOST_PEOPLE, TooMuch
from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import PERIODS, SYSTEMS
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
    routes = APIRouter(prefix="/v1", dependencies=[Depends(guard)])
    explaining, learning = Explaining(database, policy), Learning(database, policy)

    @routes.get("/kpis/{kpi}/why", tags=["kpis"], summary="What moved a KPI, in parts that add up to the change")
    async def why(kpi: str, request: Request) -> JSONAnswer:
        """Between the window `from` and `to` and the one before it (`compare`, or `before_from` and `before_to`), or two that are
        named as `period` and `before_period` (2026-03, 1404-12, last-week), by the groups of `group_by`; or, with `known`, between what was known of one window at that moment and at a later one."""
        now = clock.now()
        zone = where(policy, request.query_params.getlist(UNIT), None)[1]
        given = days_named(request.query_params.multi_items(), policy, now)
        own = {name: [value for one, value in given if one == name] for name in OWN}
        given, by_version = _without_version(kpi, given)
        question, compared = ask(kpi, [one for one in given if one[0] not in OWN], policy, now)
        if periods := [cut for cut in question.group_by if cut in PERIODS]:
            raise _refused(not_parted.cut_by(periods))
        known = own["known"]
        if (why_not := (not_parted.by_knowledge if known else not_parted.between_windows)(question)) is not None:
            raise _refused(why_not)
        if by_version:
            counts = counted(question.definition) is not None
            if (why_not := not_parted.by_version(question, counts=counts, known=bool(known))) is not None:
                raise _refused(why_not)
        progress = await answering.progress(database)
        cuts = [VERSION] if by_version else list(question.group_by)
        beside: dict[str, Any]
        if known:
            first, last = _moments(kpi, [_begun(one, zone, now) for one in known], policy, now)
            try:
                learned, changes = await learning.between_moments(question, first, last, _reported(own["reported"]))
            except TooMuch:
                raise Rejected(
                    f"Something was learned about more than {MOST_PEOPLE:,} people between these moments.",
                    code="too-much-learned", field="known", fix="Name moments that are nearer, or a shorter window.",
                ) from None  # fmt: skip
            except TooManyGroups:
                raise _refused(not_parted.of_many(MOST_GROUPS)) from None
            beside = {
                "reading": "knowledge",
                "before": {"known": first},
                "after": {"known": last},
                "learned": _learned(learned),
            }
        else:
            before, after = _windows(kpi, given, own, question, compared, policy, now, zone)
            parting = ByVersion(explaining) if by_version else explaining
            old, new, changes = await parting.between_windows(before, after)
            beside = {"reading": "windows", "before": _side(before, old), "after": _side(after, new)}
        return JSONAnswer(
            {
                **head(question, progress),
                **({"group_by": cuts} if by_version else {}),
                **beside,
                "changes": [shown(change, cuts) for change in changes],
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


def _without_version(kpi: str, given: Given) -> tuple[Given, bool]:
    """What is asked, without the one cut that hardly any answer has; whether it was there."""
    if kpi in BY_ID and is_known_by_version(BY_ID[kpi]):
        return given, False
    rest = [one for one in given if one != ("group_by", VERSION)]
    return rest, len(rest) < len(given)


def _windows(
    kpi: str, given: Given, own: Mapping[str, list[str]], question: Question, compared: Question | None, policy: Policy,
    now: datetime, zone: tzinfo,
) -> tuple[Question, Question]:  # fmt: skip
    """The two windows, or, of a state, the two moments at which they begin where the unit is; without a window before, `from` and `to`."""
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
        sides = [ask(kpi, [*rest, ("as_of", _begun(moment, zone, now))], policy, now)[0] for moment in moments]
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


def _begun(value: str, zone: tzinfo, now: datetime) -> str:
    """A day as the moment at which it begins where the unit is, one still to come as now; a moment, and what is neither, as it is."""
    try:
        day = date.fromisoformat(value) if len(value) <= 10 else None
    except ValueError:
        return value
    if day is None or not is_in_time(midnight_utc(day)):
        return value
    return min(datetime.combine(day, time(), zone), now).isoformat()


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


def _refused(why_not: NotParted) -> Rejected:
    return Rejected(why_not.why, code="not-parted", field=why_not.field, fix=why_not.fix)


def _side(question: Question, asked: Asked) -> dict[str, Any]:
    total = asked.answer[TOTAL]
    return {
        "from": question.start,
        "to": question.end,
        "as_of": question.as_of,
        "total": {name: total[name] for name in SHOWN_OF_TOTAL if name in total},
    }


def _learned(learned: Learned) -> list[dict[str, Any]]:
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
