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
from services.metrics.storage.cutting import HELD, days_of, group_of, grouping, window
from services.metrics.storage.rates import ENTRIES, source
from shared.kit.database import Database

WHOLE = 1_000_000_000

SHARES = {
    Attribution.LAST: f"CASE WHEN place = touches THEN {WHOLE} ELSE 0 END",
    Attribution.LINEAR: f"{WHOLE} / touches",
    Attribution.POSITION: f"""CASE touches WHEN 1 THEN {WHOLE} WHEN 2 THEN {WHOLE // 2} ELSE
        CASE WHEN place IN (1, touches) THEN {WHOLE * 2 // 5} ELSE {WHOLE // 5} / (touches - 2) END END""",
    Attribution.TIME_DECAY: f"floor({WHOLE} * weight / sum(weight) OVER each)",
}
"""What a touch has, by its `place` among so many `touches`, or by its `weight` among theirs."""

EACH = "WINDOW each AS (PARTITION BY root_id, key, valid_from)"
LEAST_WEIGHT = 500
"""In half-lives behind the nearest touch: further back nothing is left of a share, and PostgreSQL would refuse the power."""


class Shared(NamedTuple):
    """A subselect of entries by touch, the filters that are still to hold of it, and all parameters."""

    sql: str
    conditions: list[str]
    values: dict[str, Any]


def shared_out(question: Question, *, everybody: bool, entries: str = "metrics.entries") -> Shared:
    """The entries that a question is about, each as often as there are touches up to it, at the touch's channel, source and campaign
    and with its `units`. A lead that was only ever touched in one place has no touches of its own to share out: it is there
    for `everybody` alone, as it is. `entries` is where they are read."""
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
    theirs = ", ".join(f"t.{name} AS at_{name}" for name in PLACES)
    shown = ", ".join(f"CASE WHEN touches = 0 THEN own_{name} ELSE at_{name} END AS {name}" for name in PLACES)
    rest = f"CASE WHEN place < touches THEN share ELSE {WHOLE} - (sum(share) OVER each - share) END"
    sql = f"""(
        SELECT *, {shown}, CAST(CASE WHEN touches = 0 THEN {WHOLE} ELSE {rest} END AS bigint) AS units FROM (
            SELECT *, CASE WHEN touches = 0 THEN 0 ELSE {SHARES[question.attribution]} END AS share FROM (
                SELECT *, power(CAST(2 AS double precision), -least(age - min(age) OVER each, {LEAST_WEIGHT})) AS weight FROM (
                    SELECT e.*, {theirs}, count(t.root_id) OVER told AS touches, row_number() OVER (told ORDER BY t.key) AS place,
                        CAST(extract(epoch FROM e.at - coalesce(t.at, e.at)) AS double precision) / :half_life AS age
                    FROM (
                        SELECT root_id, key, valid_from, measure, business_unit, at, day, cohort_at, cohort_day, {own}, product,
                            owner, team, grade, stage, reason, duration_seconds, negative, amount, currency, score
                        FROM {entries} WHERE {" AND ".join(["measure = ANY(:measures)", HELD, *conditions])}
                    ) AS e {"LEFT " if everybody else ""}JOIN (
                        SELECT root_id, key, at, {", ".join(PLACES)} FROM metrics.entries WHERE measure = :touched AND {HELD}
                    ) AS t ON t.root_id = e.root_id AND t.at <= e.at
                    WINDOW told AS (PARTITION BY e.root_id, e.key, e.valid_from)
                ) AS met {EACH}
            ) AS weighed {EACH}
        ) AS parts {EACH}
    ) AS credited"""
    return Shared(sql, still, values)


async def moved(database: Database, question: Question) -> list[Cell]:
    """By how much cells differ from those by first touch: what each touch has, and what the first one had of it alone. Only forms that take
    an attribution meet these cells, whose counts are no whole numbers."""
    day, _ = days_of(question)
    asked = {"measures": [measure.value for measure in question.definition.measures], "as_of": question.as_of}
    rated = await source(database, question, ENTRIES, ["measure = ANY(:measures)", HELD], asked)
    shared = shared_out(question, everybody=False, entries=rated.table)
    own = ", ".join(f"own_{name} AS {name}" for name in PLACES)
    besides = f"measure, currency, amount, business_unit, at, {day}, product, owner, team, grade, stage, reason"
    select, group_by = grouping(question, day, ("measure", "currency"))
    where = f"WHERE {' AND '.join(shared.conditions)}" if shared.conditions else ""
    rows = await database.rows(
        f"""
        WITH credited AS MATERIALIZED (SELECT * FROM {shared.sql})
        SELECT {select}, measure, currency, sum(units) AS units, coalesce(sum(amount * units), 0) AS amount FROM (
            SELECT {besides}, {", ".join(PLACES)}, units FROM credited
            UNION ALL
            SELECT {besides}, {own}, {-WHOLE} FROM credited WHERE place = 1
        ) AS parts {where} {group_by}""",
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
