"""Stays that have not ended, and the stays of each one together, as SQL over entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.metrics.domain.answers import Group
from services.metrics.domain.forms import Stay
from services.metrics.domain.questions import Question
from services.metrics.domain.statistics import QUANTILES
from services.metrics.domain.stays import Spread
from services.metrics.storage.cutting import at_once, days_of, group_of, grouping, held, window
from services.metrics.storage.grouped import grouped
from shared.kit.database import Database

SUBJECT = "regexp_replace(key, '^[^:]*:[^:]*:?', '')"
"""Whose stay of the lead it is: the opportunity's that the key ends with, or the lead's own."""

SPREAD = (
    f"count(*) AS n, percentile_cont(ARRAY{list(QUANTILES)}) WITHIN GROUP (ORDER BY seconds) AS quantiles, "
    "CAST(avg(CAST(round(CAST(seconds AS numeric), 6) AS numeric)) AS double precision) AS mean"
)
"""Of durations; added up as decimals, so that it does not depend on the order in which rows are met."""


async def still_open(database: Database, question: Question, form: Stay) -> dict[Group | None, Spread] | None:
    """How old those stays are at `as_of` that have not ended. None where the question is cut by periods."""
    if (now := at_once(question)) is None:
        return None
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {now.select}, {SPREAD} FROM (
            SELECT *, CAST(extract(epoch FROM CAST(:as_of AS timestamptz) - at) AS double precision) AS seconds
            FROM metrics.entries WHERE stage IS NOT NULL AND {now.where}
        ) AS waiting {now.group_by or "HAVING count(*) > 0"}""",
        open=form.open.value,
        **now.values,
    )
    return _spreads(question, rows)


async def totals(database: Database, question: Question) -> dict[Group | None, Spread]:
    """What the stays that ended in the window add up to for each opportunity or lead."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ("root_id", SUBJECT))
    names = ", ".join(["is_total", *(f"g{place}" for place in range(len(question.group_by)))])
    rows = await database.rows(
        f"""
        SELECT {names}, {SPREAD} FROM (
            SELECT {select}, sum(round(CAST(duration_seconds AS numeric), 6)) AS seconds FROM metrics.entries
            WHERE {" AND ".join(["measure = ANY(:measures)", "duration_seconds IS NOT NULL", held(question), *conditions])}
            {group_by}
        ) AS each GROUP BY {names}""",
        measures=[measure.value for measure in question.definition.measures],
        as_of=question.as_of,
        **values,
    )
    return _spreads(question, rows)


def _spreads(question: Question, rows: Iterable[Any]) -> dict[Group | None, Spread]:
    return {
        group_of(question, row): Spread(row.n, tuple(float(one) for one in row.quantiles), row.mean)
        for row in rows
        if row.n
    }
