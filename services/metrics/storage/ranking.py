"""What leads were told first, and what came of them, as SQL over entries."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from services.metrics.domain.forms import Ranking
from services.metrics.domain.questions import Question
from services.metrics.domain.rankings import RankedCell
from services.metrics.domain.sketches import PERMILLE
from services.metrics.storage.cutting import HELD, days_of, group_of, grouping, window
from services.metrics.storage.grouped import grouped
from shared.kit.database import Reader

TOLD = 5
"""So many different scores, on average, have groups at most where there are as many of these as are answered."""


async def ranked(
    database: Reader, question: Question, form: Ranking, *, days: tuple[date, date] | None = None
) -> list[RankedCell]:
    """Those who were told a score, by what they were told: few rows, whatever the number of leads. `days` narrows to cohorts
    of those days, both included."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    if days is not None:
        conditions.append("cohort_day BETWEEN :first_day AND :last_day")
        values.update(first_day=days[0], last_day=days[1])
    select, group_by = grouping(question, day, ("measure", "score", "permille"))
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {select}, measure, score, permille, count(*) FILTER (WHERE cohort_at <= :cutoff) AS n,
            count(*) FILTER (WHERE cohort_at > :cutoff) AS young,
            coalesce(sum(probability) FILTER (WHERE cohort_at <= :cutoff), 0) AS told,
            coalesce(sum(probability * probability) FILTER (WHERE cohort_at <= :cutoff), 0) AS squares
        FROM (
            SELECT *, CAST(round(CAST(probability * {PERMILLE} AS numeric)) AS integer) AS permille FROM metrics.entries
            WHERE measure = ANY(:measures) AND score IS NOT NULL
                AND (measure = :began OR at <= cohort_at + make_interval(days => :horizon))
        ) AS told
        WHERE {" AND ".join([HELD, *conditions])}
        {group_by}""",
        each=TOLD,
        measures=[measure.value for measure in question.definition.measures],
        began=form.began.value,
        horizon=question.horizon_days,
        as_of=question.as_of,
        cutoff=question.cutoff,
        **values,
    )
    found: dict[Any, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        kept = found[group_of(question, row), row.score, row.permille]
        if row.measure == form.began:
            kept.update(leads=row.n, young=row.young, probabilities=row.told, squares=row.squares)
        else:
            kept.update(followed=row.n, of_followed=row.told)
    return [RankedCell(group, score, permille, **kept) for (group, score, permille), kept in found.items()]
