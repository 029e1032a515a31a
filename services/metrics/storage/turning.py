"""Sums as of a moment behind the newest fact: those that are kept are of all that was folded, so what became true since is taken
off again, and what ceased to be is put back. Both are found by when an entry holds, and are few while the moment is near."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.metrics.domain.entries import BY_COHORT, KEPT_WHEN, Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import CARRIED

_SINCE, _UNTIL, _MOMENT = (
    f"{one} AT TIME ZONE 'UTC'" for one in ("valid_from", "valid_to", "CAST(:as_of AS timestamptz)")
)
TURNS = ((f"valid_to IS NULL AND {_SINCE} > {_MOMENT}", -1), (f"{_UNTIL} > {_MOMENT} AND valid_from <= :as_of", 1))
"""Which entries count otherwise at `as_of` than in what is kept, and how often; said so that their own index finds them."""

SUM_COLUMNS = (
    "measure", "dimension", "day", "business_unit", "value", "age_days", "currency", "count", "durations",
    "duration_microseconds", "duration_carried", "amount",
)  # fmt: skip

SUMS = "metrics.rollups AS own"

CARRIED_OVER = f"duration_carried * CAST({CARRIED} AS numeric)"
"""What a sum of durations has beside its microseconds."""


def when_sql(day: str) -> str:
    """How many microseconds after the beginning of a day, in UTC, an entry was."""
    return f"CAST((extract(epoch FROM at) - extract(epoch FROM {day})) * 1000000 AS bigint)"


def sums_of(question: Question) -> tuple[str, dict[str, Any]]:
    """Where the sums of a question are read, called `own`, with its parameters; ages are told of what is kept only."""
    if not question.behind:
        return SUMS, {}
    dimension = question.dimension
    cuts = f"(VALUES ('', ''), ('{dimension}', {dimension}))" if dimension else "(VALUES ('', ''))"
    branches = [f"SELECT {', '.join(SUM_COLUMNS)} FROM metrics.rollups"]
    values: dict[str, Any] = {"as_of": question.as_of}
    for day, measures in _by_day(question.definition.measures):
        values[f"turned_by_{day}"] = [measure.value for measure in measures]
        timed = "duration_seconds IS NOT NULL"
        microseconds = "CAST(round(coalesce(duration_seconds, 0) * 1000000) AS bigint)"
        if not KEPT_WHEN.isdisjoint(measures):
            values["kept_when"] = [measure.value for measure in measures if measure in KEPT_WHEN]
            timed = f"({timed} OR measure = ANY(:kept_when))"
            microseconds = f"CASE WHEN measure = ANY(:kept_when) THEN {when_sql(day)} ELSE {microseconds} END"
        branches += [
            f"""
            SELECT measure, cut.dimension, {day} AS day, business_unit, coalesce(cut.value, '') AS value, -1 AS age_days,
                coalesce(currency, '') AS currency, CAST({sign} AS bigint) AS count,
                CAST(CASE WHEN {timed} THEN {sign} ELSE 0 END AS bigint) AS durations,
                {sign} * {microseconds} AS duration_microseconds, CAST(0 AS bigint) AS duration_carried,
                {sign} * coalesce(amount, 0) AS amount
            FROM metrics.entries CROSS JOIN LATERAL {cuts} AS cut (dimension, value)
            WHERE measure = ANY(:turned_by_{day}) AND {held} AND (cut.dimension = '' OR cut.value <> '')"""
            for held, sign in TURNS
        ]
    return f"({' UNION ALL '.join(branches)}) AS own", values


def _by_day(measures: Iterable[Measure]) -> Sequence[tuple[str, list[Measure]]]:
    """Measures by the day that their sums are of."""
    every = list(measures)
    by_cohort = [one for one in every if one in BY_COHORT]
    others = [one for one in every if one not in BY_COHORT]
    return [(day, of) for day, of in (("cohort_day", by_cohort), ("day", others)) if of]
