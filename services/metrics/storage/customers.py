"""What is asked of customers, as SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from services.metrics.domain import customer_answers as answers
from services.metrics.domain.answers import Cell, Group, Values
from services.metrics.domain.churning import Change, Loss, changes, churned, places
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Best,
    Churn,
    Form,
    MoneyTotal,
    PerCustomer,
    Projected,
    Satisfaction,
    Worth,
)
from services.metrics.domain.questions import Question
from services.metrics.storage.cutting import HELD, cut_sql, days_of, group_of, grouping, window
from services.metrics.storage.rates import ENTRIES, source
from services.metrics.storage.spending import spent
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Database

Cells = Callable[[Question], Awaitable[list[Cell]]]
"""Asks for the cells of a question, of sums or of entries."""

CUSTOMER_FORMS = (PerCustomer, Satisfaction, Projected, Worth, Best, Churn)


async def customer_values(database: Database, question: Question, cells: Cells) -> dict[Group | None, Values]:
    """The values of every group and of the total."""
    match question.definition.form:
        case PerCustomer(money):
            return answers.per_customer(await cells(question), money)
        case Satisfaction():
            return answers.satisfied(await cells(question))
        case Projected(money):
            paid = await cells(_of(question, MoneyTotal(money)))
            return answers.projected(question, paid, await _lives(database, question), money)
        case Worth(kinds, money, _) as form:
            paid = await cells(_of(question, MoneyTotal(money)))
            lives = await _lives(database, question)
            return answers.worth(question, form, paid, lives, await spent(database, question, kinds))
        case Best() as form:
            return await _best(database, question, form)
        case Churn():
            return await _churned(database, question, cells)
        case other:
            raise TypeError(f"{type(other).__name__} is not about customers")


def _of(question: Question, form: Form) -> Question:
    return replace(question, definition=replace(question.definition, form=form))


async def _lives(database: Database, question: Question) -> dict[Group | None, answers.Lives]:
    """How long the customers of a cohort have been customers, leaving out when they were none, and how often one left."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ())
    rows = await database.rows(
        f"""
        SELECT {select}, count(*) FILTER (WHERE measure = :customer) AS n, count(*) FILTER (WHERE measure = :gone) AS lost,
            coalesce(sum(extract(epoch FROM CAST(:as_of AS timestamptz) - at)
                * CASE measure WHEN :gone THEN -1 ELSE 1 END), 0) AS seconds
        FROM metrics.entries
        WHERE {" AND ".join(["measure IN (:customer, :gone, :returned)", HELD, *conditions])}
        {group_by}""",
        customer=Measure.CUSTOMER.value,
        gone=Measure.CUSTOMER_GONE.value,
        returned=Measure.CUSTOMER_RETURNED.value,
        as_of=question.as_of,
        **values,
    )
    return {group_of(question, row): answers.Lives(row.n, row.lost, float(row.seconds)) for row in rows}


async def _best(database: Database, question: Question, form: Best) -> dict[Group | None, Values]:
    rows = await _worth_most(database, question, form.margin)
    if all(row.known for row in rows):
        return answers.best((_of_row(question, row) for row in rows if row.currency), "margin")
    rows = await _worth_most(database, question, form.revenue)
    return answers.best((_of_row(question, row) for row in rows if row.currency), "revenue")


def _of_row(question: Question, row: Any) -> answers.Best:
    return answers.Best(group_of(question, row), row.currency, row.root_id, row.worth, row.since, row.whole, row.n)


async def _worth_most(database: Database, question: Question, measure: Measure) -> list[Any]:
    """The best of every group in each currency; `known` says whether the amount of everything in the group is."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ("root_id", "currency"))
    cuts = "".join(f", g{number}" for number in range(len(question.group_by)))
    where = ["measure = :measure", HELD, *conditions]
    values.update(measure=measure.value, as_of=question.as_of)
    own = await source(database, question, ENTRIES, where, values)
    rows = await database.rows(
        f"""
        SELECT * FROM (
            SELECT *, row_number() OVER place AS rank, sum(worth) OVER whole AS whole, count(*) OVER whole AS n,
                bool_and(currency IS NOT NULL) OVER (PARTITION BY is_total{cuts}) AS known
            FROM (
                SELECT {select}, root_id, currency, sum(amount) AS worth, min(cohort_at) AS since
                FROM {own.table}
                WHERE {" AND ".join(where)}
                {group_by}
            ) AS each
            WINDOW place AS (PARTITION BY is_total{cuts}, currency ORDER BY worth DESC, root_id),
                whole AS (PARTITION BY is_total{cuts}, currency)
        ) AS ranked WHERE rank <= :top""",
        top=question.top,
        **values,
        **own.values,
    )
    return list(rows)


async def _churned(database: Database, question: Question, cells: Cells) -> dict[Group | None, Values]:
    """Customers there were when the window began, those who came and went in it by day where it is cut by periods, and those who
    left that had been there when it began."""
    here, dated = places(question), any(name in PERIODS for name in question.group_by)
    plain = replace(question, group_by=here, calendars=type(question.calendars)())
    moved: list[Change] = []
    if question.start is not None:
        moved += changes(await cells(replace(plain, start=None, end=question.start)), dated=False)
    if dated:
        moved += changes(await cells(replace(plain, group_by=(*here, "day"))), dated=True)
    return churned(question, moved, await _losses(database, plain), question.as_of.date())


def had_been_there(question: Question) -> str:
    """That who left had been a customer since before the window, or the period of it that they left in, as SQL."""
    since = ["cohort_day < :start"] if question.start is not None else []
    periods = [name for name in question.group_by if name in PERIODS]
    since += [
        f"{cut_sql(question, name, 'cohort_day')} IS DISTINCT FROM {cut_sql(question, name, 'day')}" for name in periods
    ]
    return f"({' OR '.join(since) or 'false'})"


async def _losses(database: Database, question: Question) -> list[Loss]:
    conditions, values = window(question, "day", "at")
    columns = ", ".join(question.group_by)
    rows = await database.rows(
        f"""
        SELECT {columns}, day, cohort_day, count(*) AS n FROM metrics.entries
        WHERE {" AND ".join(["measure = :lost", HELD, *conditions])} GROUP BY {columns}, day, cohort_day""",
        lost=Measure.CUSTOMER_LOST.value,
        as_of=question.as_of,
        **values,
    )
    return [
        Loss(tuple(getattr(row, name) for name in question.group_by), row.day, row.cohort_day, row.n) for row in rows
    ]
