"""What is asked of customers, as SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.metrics.domain import customer_answers as answers
from services.metrics.domain.answers import Cell, Group, Values
from services.metrics.domain.calendars import Calendars
from services.metrics.domain.churning import Change, Loss, changes, churned, period_names, places
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Best,
    Churn,
    MoneyTotal,
    PerCustomer,
    Projected,
    Satisfaction,
    Worth,
)
from services.metrics.domain.questions import Question
from services.metrics.storage.best import best_of
from services.metrics.storage.cutting import HELD, cut_sql, days_of, group_of, grouping, window
from services.metrics.storage.grouped import of_so_many
from services.metrics.storage.lives import Cells, asking, lives_of
from services.metrics.storage.rates import ENTRIES, source
from services.metrics.storage.spending import spent
from services.metrics.storage.spreads import first_day
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Database

CUSTOMER_FORMS = (PerCustomer, Satisfaction, Projected, Worth, Best, Churn)


async def customer_values(
    database: Database, question: Question, cells: Cells, *, rolled: bool
) -> dict[Group | None, Values]:
    """The values of every group and of the total. `cells` are those of sums where it is `rolled`, else of entries."""
    match question.definition.form:
        case PerCustomer(money):
            return answers.per_customer(await _paid(database, question, money, cells), money)
        case Satisfaction():
            return answers.satisfied(await cells(question))
        case Projected(money):
            paid = await cells(asking(question, MoneyTotal(money)))
            return answers.projected(question, paid, await lives_of(database, question, cells, rolled=rolled), money)
        case Worth(kinds, money, _) as form:
            paid = await cells(asking(question, MoneyTotal(money)))
            lives = await lives_of(database, question, cells, rolled=rolled)
            return answers.worth(question, form, paid, lives, await spent(database, question, kinds))
        case Best() as form:
            return await best_of(database, question, form, cells)
        case Churn():
            return await _churned(database, question, cells)
        case other:
            raise TypeError(f"{type(other).__name__} is not about customers")


async def _paid(database: Database, question: Question, money: Measure, cells: Cells) -> list[Cell]:
    """What customers paid. In one currency into which some amounts have no rate, who paid in several that have one paid in it,
    and is counted once."""
    found = await cells(question)
    if question.currency is None or len({cell.currency for cell in found if cell.measure == money} - {""}) < 2:
        return found
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ("currency",))
    where = ["measure = :measure", HELD, *conditions]
    values.update(measure=Measure.CUSTOMER_REVENUE.value, as_of=question.as_of)
    own = await source(database, question, ENTRIES, where, values)
    rows = await database.rows(
        f"""
        SELECT {select}, currency, count(DISTINCT root_id) AS n FROM {own.table}
        WHERE {" AND ".join([*where, "currency IS NOT NULL"])} {group_by}""",
        **values,
        **own.values,
    )
    payers = [Cell(group_of(question, row), Measure.CUSTOMER_IN, row.currency, row.n) for row in rows]
    return [*(cell for cell in found if cell.measure is not Measure.CUSTOMER_IN), *payers]


async def _churned(database: Database, question: Question, cells: Cells) -> dict[Group | None, Values]:
    """Customers there were when the window began, those who came and went in it by period where it is cut by any, and those who left
    that had been there when it began."""
    here, names = places(question), period_names(question)
    plain = replace(question, group_by=here, calendars=Calendars())
    moved: list[Change] = []
    if question.start is not None:
        moved += changes(question, await cells(replace(plain, start=None, end=question.start)), None)
    if names:
        start = question.start.date() if isinstance(question.start, datetime) else question.start
        begins = start or await first_day(database) or question.today
        moved += changes(question, await cells(replace(question, group_by=(*here, *names))), begins)
    return of_so_many(churned(question, moved, await _losses(database, plain)))


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
