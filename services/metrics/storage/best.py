"""Which customers are worth most, as SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.customer_answers import Best, best, with_total
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Best as BestForm
from services.metrics.domain.forms import Count, MoneyTotal
from services.metrics.domain.questions import UNIT, Question
from services.metrics.storage.cutting import cut_sql, days_of, held, window
from services.metrics.storage.grouped import grouped
from services.metrics.storage.lives import Cells, asking
from services.metrics.storage.rates import ENTRIES, source
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Database


async def best_of(database: Database, question: Question, form: BestForm, cells: Cells) -> dict[Group | None, Values]:
    """By margin where that of everything is known, else by revenue."""
    whole = replace(asking(question, MoneyTotal(form.margin)), group_by=(), currency=None)
    by_margin = all(cell.currency for cell in await cells(whole))
    rows = await _worth_most(database, question, form.margin if by_margin else form.revenue)
    customers = await cells(asking(question, Count(Measure.CUSTOMER)))
    return best(
        with_total(rows, question.top) if question.group_by else rows, customers, "margin" if by_margin else "revenue"
    )


async def _worth_most(database: Database, question: Question, measure: Measure) -> list[Best]:
    """The best of every group in each currency, beside what all of it are worth. A customer is of one day, one unit and one of each
    thing that is cut by, and who is among the best of a group is among those of their own day of it: days come in order from the
    index, so that each is added up, and ranked, by itself and in little memory."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    where = ["measure = :measure", held(question), *conditions]
    values.update(measure=measure.value, as_of=question.as_of)
    own = await source(database, question, ENTRIES, where, values)
    periods = [name for name in question.group_by if name in PERIODS]
    cuts = [name for name in question.group_by if name not in PERIODS]
    alike = ", ".join(dict.fromkeys([*([UNIT] if periods else []), *cuts, "currency"]))
    named = "".join(f"{cut_sql(question, name, 'day')} AS g{place}, " for place, name in enumerate(question.group_by))
    group = "".join(f"g{place}, " for place in range(len(question.group_by)))
    rows = await grouped(
        database,
        question,
        f"""
        SELECT * FROM (
            SELECT {group} currency, root_id, worth, since, row_number() OVER (own ORDER BY worth DESC, root_id) AS rank,
                sum(of_day) FILTER (WHERE place = 1) OVER own AS whole, sum(n_of_day) FILTER (WHERE place = 1) OVER own AS n
            FROM (
                SELECT {named} currency, root_id, worth, since, place, of_day, n_of_day
                FROM (
                    SELECT *, row_number() OVER (like_it ORDER BY worth DESC, root_id) AS place,
                        sum(worth) OVER like_it AS of_day, count(*) OVER like_it AS n_of_day
                    FROM (
                        SELECT {day} AS day, root_id, {alike}, sum(amount) AS worth, min(cohort_at) AS since
                        FROM {own.table}
                        WHERE {" AND ".join(where)}
                        GROUP BY {day}, root_id, {alike}
                    ) AS each WHERE currency IS NOT NULL
                    WINDOW like_it AS (PARTITION BY day, {alike})
                ) AS of_days WHERE place <= :top
            ) AS named
            WINDOW own AS (PARTITION BY {group} currency)
        ) AS ranked WHERE rank <= :top""",
        each=question.top,
        top=question.top,
        **values,
        **own.values,
    )
    return [_best(question, row) for row in rows]


def _best(question: Question, row: Any) -> Best:
    places = range(len(question.group_by))
    group = tuple(getattr(row, f"g{place}") for place in places) if question.group_by else TOTAL
    return Best(group, row.currency, row.root_id, row.worth, row.since, row.whole, int(row.n))
