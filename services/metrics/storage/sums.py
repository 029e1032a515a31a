"""What entries add up to, by PostgreSQL, held against the sums that are kept: every number's last step in another hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.entries import AGED, BY_COHORT, DIMENSIONS, KEPT_WHEN, Measure
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.storage.drifting import Drift, drifting
from services.metrics.storage.turning import CARRIED_OVER, when_sql

PLACE = ("business_unit", "day", "dimension", "value", "age_days", "currency")
PARTS = ("count", "durations", "duration_microseconds", "amount")

ALL_MEASURES = "SELECT DISTINCT measure FROM metrics.rollups"


def drifts(connection: AsyncConnection, measure: str) -> AsyncIterator[Drift]:
    """The sums of a measure that differ from what its entries say, each with what it lacks."""
    kept = f"""
        SELECT {", ".join(PLACE)}, count, durations, duration_microseconds + {CARRIED_OVER} AS duration_microseconds, amount
        FROM metrics.rollups WHERE measure = :measure"""
    return drifting(connection, PLACE, PARTS, wanted=_wanted(measure), kept=kept, given={"measure": measure})


def _wanted(measure: str) -> str:
    cohort = measure in BY_COHORT
    day = "cohort_day" if cohort else "day"
    durations = "duration_seconds", "CAST(round(duration_seconds * 1000000) AS bigint)"
    timed, microseconds = ("at", when_sql(day)) if measure in KEPT_WHEN else durations
    age = f"CAST(coalesce(ceil(duration_seconds / {DAY_SECONDS}), -1) AS integer)" if measure in AGED else "-1"
    cut_age = age if cohort else "-1"
    cuts = ", ".join(["('', '')", *(f"('{name}', {name})" for name in DIMENSIONS)])
    return f"""
        SELECT business_unit, {day} AS day, cut.dimension, cut.value,
            CASE cut.dimension WHEN '' THEN {age} ELSE {cut_age} END AS age_days, coalesce(currency, '') AS currency,
            count(*) AS count, count({timed}) AS durations,
            coalesce(sum({microseconds}), 0) AS duration_microseconds,
            coalesce(sum(amount), 0) AS amount
        FROM metrics.entries CROSS JOIN LATERAL (VALUES {cuts}) AS cut (dimension, value)
        WHERE measure = :measure AND valid_to IS NULL AND (cut.dimension = '' OR cut.value <> '')
        GROUP BY 1, 2, 3, 4, 5, 6"""


def measures(kept: Iterable[str]) -> list[str]:
    """Everything that is counted, and what once was and has sums left, in one order."""
    return sorted({*(measure.value for measure in Measure), *kept})
