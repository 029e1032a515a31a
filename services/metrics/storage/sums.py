"""What entries add up to, by PostgreSQL, held against the sums that are kept: every number's last step in another hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.entries import AGED, BY_COHORT, DIMENSIONS, KEPT_WHEN, Measure
from services.metrics.domain.rollups import DAY_SECONDS, RollupKey
from services.metrics.storage.turning import CARRIED_OVER, when_sql

PLACE = ("business_unit", "day", "dimension", "value", "age_days", "currency")
PARTS = ("count", "durations", "duration_microseconds", "amount")

ALL_MEASURES = "SELECT DISTINCT measure FROM metrics.rollups"


class Drift(NamedTuple):
    """A sum that is not what its entries add up to. `parts` is what to add to it."""

    key: RollupKey
    is_kept: bool
    parts: dict[str, Any]


def drift_sql(measure: str) -> str:
    """The sums of a measure that differ, each with what it lacks; in one statement, and so of one moment. The measure itself
    is the parameter `:measure`."""
    cohort = measure in BY_COHORT
    day = "cohort_day" if cohort else "day"
    durations = "duration_seconds", "CAST(round(duration_seconds * 1000000) AS bigint)"
    timed, microseconds = ("at", when_sql(day)) if measure in KEPT_WHEN else durations
    age = f"CAST(coalesce(ceil(duration_seconds / {DAY_SECONDS}), -1) AS integer)" if measure in AGED else "-1"
    cut_age = age if cohort else "-1"
    cuts = ", ".join(["('', '')", *(f"('{name}', {name})" for name in DIMENSIONS)])
    place = ", ".join(PLACE)
    lacking = ", ".join(
        f"coalesce(wanted.{name}, 0) - coalesce(kept.{name}, 0) AS {name if name != 'count' else 'n'}" for name in PARTS
    )
    differs = " OR ".join(f"coalesce(wanted.{name}, 0) <> coalesce(kept.{name}, 0)" for name in PARTS)
    return f"""
        WITH wanted AS (
            SELECT business_unit, {day} AS day, cut.dimension, cut.value,
                CASE cut.dimension WHEN '' THEN {age} ELSE {cut_age} END AS age_days, coalesce(currency, '') AS currency,
                count(*) AS count, count({timed}) AS durations,
                coalesce(sum({microseconds}), 0) AS duration_microseconds,
                coalesce(sum(amount), 0) AS amount
            FROM metrics.entries CROSS JOIN LATERAL (VALUES {cuts}) AS cut (dimension, value)
            WHERE measure = :measure AND valid_to IS NULL AND (cut.dimension = '' OR cut.value <> '')
            GROUP BY 1, 2, 3, 4, 5, 6
        ), kept AS (
            SELECT {place}, count, durations, duration_microseconds + {CARRIED_OVER} AS duration_microseconds, amount
            FROM metrics.rollups WHERE measure = :measure
        )
        SELECT {place}, coalesce(kept.count, 0) <> 0 AS is_kept, {lacking}
        FROM wanted FULL JOIN kept USING ({place}) WHERE {differs}"""


async def drifts(connection: AsyncConnection, measure: str) -> AsyncIterator[Drift]:
    """The sums of a measure that differ, one after the other: there may be as many as there are sums."""
    found = await connection.stream(text(drift_sql(measure)), {"measure": measure})
    async for row in found:
        yield drift_of(measure, row)


def drift_of(measure: str, row: Any) -> Drift:
    """A row of `drift_sql`."""
    key = RollupKey(row.business_unit, measure, row.day, row.dimension, row.value, row.age_days, row.currency)
    return Drift(key, row.is_kept, {"count": row.n, **{name: getattr(row, name) for name in PARTS[1:]}})


def measures(kept: Iterable[str]) -> list[str]:
    """Everything that is counted, and what once was and has sums left, in one order."""
    return sorted({*(measure.value for measure in Measure), *kept})
