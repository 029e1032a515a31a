"""What is put down to the touches of leads, as SQL over entries. A share is a whole number of billionths, and what does not divide
is the last touch's, so that the shares of one thing are exactly one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple, cast

from services.metrics.domain.answers import Cell
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.touches import PLACES, Attribution
from services.metrics.storage.cutting import days_of, group_of, grouping, held, window
from services.metrics.storage.grouped import grouped
from services.metrics.storage.rates import ENTRIES, source
from shared.kit.database import Database

WHOLE = 1_000_000_000
MIDDLE = WHOLE // 5

UNITS = {
    Attribution.LAST: f"CASE WHEN place = touches THEN {WHOLE} ELSE 0 END",
    Attribution.LINEAR: f"{WHOLE} / touches + CASE WHEN place = touches THEN {WHOLE} % touches ELSE 0 END",
    Attribution.POSITION: f"""CASE WHEN touches = 1 THEN {WHOLE} WHEN touches = 2 THEN {WHOLE // 2} WHEN place = 1 THEN {2 * MIDDLE}
        WHEN place = touches THEN {2 * MIDDLE} + {MIDDLE} % (touches - 2) ELSE {MIDDLE} / (touches - 2) END""",
    Attribution.TIME_DECAY: f"CASE WHEN place < touches THEN share ELSE {WHOLE} - sum(share) OVER () + share END",
}
"""What a touch has, by its `place` among so many `touches`; where it turns on when they were, by its `share`, rounded down."""

PAID_BACK = frozenset({Measure.COHORT_REVENUE, Measure.COHORT_MARGIN, Measure.ORDER_REFUNDED})
"""What takes away again, where it is of a refund, what its purchase brought: from those touches that had that."""

LEAST_WEIGHT = 500
"""In half-lives behind the nearest touch: further back nothing is left of a share, and PostgreSQL would refuse the power."""


SECOND = f"""SELECT at FROM metrics.entries
                WHERE measure = '{Measure.TOUCHED}' AND key = '{Measure.TOUCHED}:000001' AND valid_to IS NULL"""
"""When a lead was touched a second time: of what came before that all is the first touch's, by any rule. It has an index of its own,
said so that it is found, and touches never end."""


class Shared(NamedTuple):
    """A subselect of entries by touch, the filters that are still to hold of it, and all parameters."""

    sql: str
    conditions: list[str]
    values: dict[str, Any]


def shared_out(question: Question, *, everybody: bool, entries: str = "metrics.entries") -> Shared:
    """The entries that a question is about, each as often as there are touches up to it (to its purchase, of a refund), at the
    touch's channel, source and campaign and with its `units`, looked up lead by lead: few leads have so many entries as there are
    touches of everybody. A lead that was only ever touched in one place has no touches of its own to share out: it is there for
    `everybody` alone, as it is. `entries` is where they are read."""
    day, at = days_of(question)
    others = {name: allowed for name, allowed in question.filters.items() if name not in PLACES}
    conditions, values = window(replace(question, filters=others), day, at)
    still: list[str] = []
    for name in PLACES:
        if name in question.filters:
            allowed = question.filters[name]
            still.append(f"({name} = ANY(:only_{name}){f' OR {name} IS NULL' if None in allowed else ''})")
            values[f"only_{name}"] = [one for one in allowed if one is not None]
    values.update(
        measures=[measure.value for measure in question.definition.measures],
        touched=Measure.TOUCHED.value,
        as_of=question.as_of,
        half_life=float(question.half_life_days * DAY_SECONDS),
    )
    own = ", ".join(f"{name} AS own_{name}" for name in PLACES)
    shown = ", ".join(f"CASE WHEN touches IS NULL THEN own_{name} ELSE {name} END AS {name}" for name in PLACES)
    bought, until = "", "e.at"
    if PAID_BACK.intersection(question.definition.measures):
        until = "coalesce(r.bought_at, e.at)"
        bought = f"""LEFT JOIN (
                    SELECT root_id, substr(key, length(measure) + 1) AS refund, cohort_at AS bought_at FROM metrics.entries
                    WHERE measure = :paid_back AND {held(question)}
                ) AS r ON r.root_id = e.root_id AND r.refund = substr(e.key, length(e.measure) + 1) """
        values["paid_back"] = Measure.ORDER_REFUNDED.value
    sql = f"""(
            SELECT e.*, {shown}, place, touches, coalesce(units, {WHOLE}) AS units FROM (
                SELECT root_id, key, valid_from, measure, business_unit, at, day, cohort_at, cohort_day, {own}, product,
                    owner, team, grade, stage, reason, duration_seconds, negative, amount, currency, score
                FROM {entries} WHERE {" AND ".join(["measure = ANY(:measures)", held(question), *conditions])}
            ) AS e {bought}{"LEFT " if everybody else ""}JOIN LATERAL ({_touches(question, until)}) AS t ON true
            {"" if everybody else f"WHERE ({SECOND} AND root_id = e.root_id) <= {until}"}
        ) AS credited"""
    return Shared(sql, still, values)


def _touches(question: Question, until: str) -> str:
    """The touches of the lead of `e` up to a moment with their `units`, found by its id and the beginning of their keys, which tell
    their order."""
    told = f"""SELECT key, at, {", ".join(PLACES)}, count(*) OVER () AS touches, row_number() OVER (ORDER BY key) AS place
                FROM metrics.entries WHERE root_id = e.root_id AND key LIKE '{Measure.TOUCHED}:%' AND measure = :touched
                    AND {held(question)} AND at <= {until}"""
    if question.attribution is Attribution.TIME_DECAY:
        age = f"CAST(extract(epoch FROM {until} - at) AS double precision) / :half_life"
        weight = f"power(CAST(2 AS double precision), -least(age - min(age) OVER (), {LEAST_WEIGHT}))"
        told = f"""SELECT *, CAST(floor({WHOLE} * weight / sum(weight) OVER ()) AS bigint) AS share FROM (
                SELECT *, {weight} AS weight FROM (SELECT *, {age} AS age FROM ({told}) AS told) AS aged) AS weighed"""
    units = f"CAST({UNITS[question.attribution]} AS bigint)"
    return f"SELECT {', '.join(PLACES)}, place, touches, {units} AS units FROM ({told}) AS shared"


async def moved(database: Database, question: Question) -> list[Cell]:
    """By how much cells differ from those by first touch: what each touch has, and what the first one had of it alone. Only forms that take
    an attribution meet these cells, whose counts are no whole numbers."""
    day, _ = days_of(question)
    asked = {"measures": [measure.value for measure in question.definition.measures], "as_of": question.as_of}
    rated = await source(database, question, ENTRIES, ["measure = ANY(:measures)", held(question)], asked)
    shared = shared_out(question, everybody=False, entries=rated.table)
    own = ", ".join(f"own_{name}" for name in PLACES)
    theirs = ", ".join(f"credited.{name}" for name in PLACES)
    besides = f"measure, currency, amount, business_unit, at, {day}, product, owner, team, grade, stage, reason"
    select, group_by = grouping(question, day, ("measure", "currency"))
    where = f"WHERE {' AND '.join(shared.conditions)}" if shared.conditions else ""
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {select}, measure, currency, sum(units) AS units, coalesce(sum(amount * units), 0) AS amount FROM (
            SELECT {besides}, put.* FROM {shared.sql} CROSS JOIN LATERAL (
                SELECT {theirs}, units UNION ALL SELECT {own}, {-WHOLE} WHERE place = 1
            ) AS put ({", ".join(PLACES)}, units) WHERE touches > 1 OR ({theirs}) IS DISTINCT FROM ({own})
        ) AS parts {where} {group_by}""",
        each=len(question.definition.measures),
        **shared.values,
        **rated.values,
    )
    return [
        Cell(
            group_of(question, row), Measure(row.measure), row.currency or "", cast("int", float(Decimal(row.units) / WHOLE)),
            Decimal(row.amount) / WHOLE,
        )
        for row in rows
        if row.units or row.amount
    ]  # fmt: skip
